/** Certificates for a test: an authority, and what it has signed for 127.0.0.1 and for a client. Made by openssl. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certified {
  key: Buffer;
  cert: Buffer;
  /** PEM file with both, as MLFLOW_TRACKING_CLIENT_CERT_PATH takes it. */
  both: string;
}

export class Authority {
  /** Its own certificate, a PEM file. */
  readonly file: string;

  /** @param folder of its own, made here */
  constructor(private readonly folder: string) {
    mkdirSync(folder);
    this.file = join(folder, 'authority.crt');
    this.openssl(
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=authority'],
      ...['-keyout', 'authority.key', '-out', 'authority.crt'],
    );
  }

  get certificate(): Buffer {
    return readFileSync(this.file);
  }

  /** @param names as in subjectAltName: IP:127.0.0.1, DNS:localhost */
  certify(name: string, names: string): Certified {
    writeFileSync(join(this.folder, `${name}.ext`), `subjectAltName=${names}\n`);
    this.openssl(
      ...['req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`],
      ...['-keyout', `${name}.key`, '-out', `${name}.csr`],
    );
    this.openssl(
      ...[
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-days',
        '2',
        '-out',
        `${name}.crt`,
        '-extfile',
        `${name}.ext`,
      ],
      ...['-CA', 'authority.crt', '-CAkey', 'authority.key', '-CAcreateserial'],
    );
    const read = (ending: string) => readFileSync(join(this.folder, `${name}.${ending}`));
    const both = join(this.folder, `${name}.pem`);
    writeFileSync(both, Buffer.concat([read('crt'), read('key')]));
    return { key: read('key'), cert: read('crt'), both };
  }

  private openssl(...words: string[]): void {
    const { status, stderr, error } = spawnSync('openssl', words, { cwd: this.folder, encoding: 'utf8' });
    if (error) throw new Error('openssl must be on the PATH: apt-get install openssl', { cause: error });
    if (status !== 0) throw new Error(stderr);
  }
}
