/** A proxy in this process that lets https through, by CONNECT, and remembers who was asked for. */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

export class Tunnel {
  /** host:port of each CONNECT that was let through. */
  readonly asked: string[] = [];
  private readonly sockets = new Set<Duplex>();
  private readonly server: Server;
  port = 0;

  /** @param login `name:password` to be shown, where there is one */
  constructor(private readonly login?: string) {
    this.server = createServer((_, response) => response.writeHead(400).end());
    this.server.on('connect', ({ url, headers }, near, head) => {
      this.sockets.add(near);
      near.on('error', () => undefined);
      const wanted = this.login && `Basic ${Buffer.from(this.login).toString('base64')}`;
      if (wanted !== undefined && headers['proxy-authorization'] !== wanted) {
        near.end(
          'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
        );
        return;
      }
      this.asked.push(url!);
      const [host, port] = url!.split(':');
      const far = connect(Number(port), host, () => {
        near.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        far.write(head);
        near.pipe(far).pipe(near);
      });
      this.sockets.add(far);
      far.on('error', () => near.destroy());
    });
  }

  get uri(): string {
    return `http://${this.login === undefined ? '' : `${this.login}@`}127.0.0.1:${this.port}`;
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
