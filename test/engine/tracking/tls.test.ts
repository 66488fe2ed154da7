/** Delivery over https, with authorities of one's own and through proxies. Needs the compiled engine (npm run build) and openssl. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Lab } from '../run/lab.js';
import { Authority, type Certified } from './certificates.js';
import { StandIn } from './stand-in.js';
import { Tunnel } from './tunnel.js';

const lab = Lab.create();
const stages = `  one:
    uses: command
    with: { run: "echo metric loss 1; echo x > \${{ outputs.out }}/f", outputs: { out: files } }
`;
let trusted: Authority;
let other: Authority;
let ours: Certified;
let server: StandIn;
const before = { ...lab.environment };

beforeAll(async () => {
  trusted = new Authority(lab.path('trusted'));
  other = new Authority(lab.path('other'));
  ours = trusted.certify('server', 'IP:127.0.0.1');
  lab.write(stages);
  expect((await lab.cemiflow('run', 'x.yaml')).exitCode).toBe(0);
});
afterAll(() => lab[Symbol.asyncDispose]());

beforeEach(async () => {
  for (const name of Object.keys(lab.environment)) Reflect.deleteProperty(lab.environment, name);
  Object.assign(lab.environment, before, { MLFLOW_TRACKING_SERVER_CERT_PATH: trusted.file });
  server = new StandIn({ key: ours.key, cert: ours.cert });
  await server.start();
});
afterEach(() => server.stop());

const sync = (to = server.uri) => lab.cemiflow('sync', 'latest', '--to', to);

test('a server whose authority is named is delivered to', async () => {
  expect(await sync()).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('complete') });
  expect(server.byName('one').metrics).toContainEqual(expect.objectContaining({ key: 'loss', value: 1 }));
});

test('another authority: said with the remedy, the run goes on, and sync delivers once the right one is named', async () => {
  Object.assign(lab.environment, {
    MLFLOW_TRACKING_URI: server.uri,
    MLFLOW_TRACKING_SERVER_CERT_PATH: other.file,
  });
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(
    /shows a certificate that is not trusted \(\w+\); the run goes on, .* Let MLFLOW_TRACKING_SERVER_CERT_PATH name/,
  );
  expect(server.calls).toEqual([]);
  lab.environment['MLFLOW_TRACKING_SERVER_CERT_PATH'] = trusted.file;
  expect((await lab.cemiflow('sync')).exitCode).toBe(0);
  expect(server.byName('one').status).toBe('FINISHED');
});

test('MLFLOW_TRACKING_INSECURE_TLS takes any certificate', async () => {
  delete lab.environment['MLFLOW_TRACKING_SERVER_CERT_PATH'];
  expect((await sync()).exitCode).toBe(1);
  lab.environment['MLFLOW_TRACKING_INSECURE_TLS'] = 'true';
  expect((await sync()).exitCode).toBe(0);
});

test('a certificate made for another name is refused, and said to be', async () => {
  await server.stop();
  const { key, cert } = trusted.certify('elsewhere', 'DNS:mlflow.lab');
  server = new StandIn({ key, cert });
  await server.start();
  const { exitCode, stdout } = await sync();
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: expect.stringContaining('another host name') });
});

test('a server that asks for a certificate of the client gets it', async () => {
  await server.stop();
  const { key, cert } = ours;
  server = new StandIn({ key, cert, ca: trusted.certificate, requestCert: true, rejectUnauthorized: true });
  await server.start();
  expect(await sync()).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('not complete') });
  lab.environment['MLFLOW_TRACKING_CLIENT_CERT_PATH'] = trusted.certify('client', 'DNS:client').both;
  expect((await sync()).exitCode).toBe(0);
});

test.each([
  ['no file', undefined, /names .*nowhere\.pem, which cannot be read/],
  ['no certificate', 'hello', /names .*nowhere\.pem, which holds no certificate/],
])('a path with %s is said, by a run and by sync', async (_, content, words) => {
  const path = lab.path('nowhere.pem');
  if (content !== undefined) writeFileSync(path, content);
  Object.assign(lab.environment, {
    MLFLOW_TRACKING_URI: server.uri,
    MLFLOW_TRACKING_SERVER_CERT_PATH: path,
  });
  const run = await lab.cemiflow('run', 'x.yaml');
  expect(run).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(words) });
  expect(run.stderr.match(/the run goes on/g)).toHaveLength(1);
  expect(await sync()).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(words) });
});

test('through a proxy that asks for a password, which then is nowhere; and past it where NO_PROXY says so', async () => {
  const secret = 'xyzzy-plugh-4711';
  const tunnel = new Tunnel(`me:${secret}`);
  await tunnel.open();
  try {
    lab.environment['HTTPS_PROXY'] = `http://127.0.0.1:${tunnel.port}`;
    expect(await sync()).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(/407[^]*HTTPS_PROXY=/),
    });
    lab.environment['HTTPS_PROXY'] = tunnel.uri;
    const said = [await sync(), await lab.cemiflow('run', 'x.yaml', '-v')];
    expect(said.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(server.byName('one').metrics).toContainEqual(expect.objectContaining({ key: 'loss', value: 1 }));
    expect(new Set(tunnel.asked)).toEqual(new Set([`127.0.0.1:${server.port}`]));
    expect(server.calls.some(({ headers }) => 'proxy-authorization' in headers)).toBe(false);

    const passed = tunnel.asked.length;
    lab.environment['NO_PROXY'] = '127.0.0.1';
    expect((await lab.cemiflow('sync', 'latest', '--to', server.uri, '--experiment', 'b')).exitCode).toBe(0);
    expect(tunnel.asked).toHaveLength(passed);

    const texts = said.flatMap(({ stdout, stderr }) => [stdout, stderr]);
    for (const path of readdirSync(lab.path('runs'), { recursive: true, encoding: 'utf8' })) {
      const file = join(lab.path('runs'), path);
      if (statSync(file).isFile()) texts.push(readFileSync(file, 'latin1'));
    }
    expect(texts.filter((text) => text.includes(secret))).toEqual([]);
  } finally {
    await tunnel.close();
  }
});

test('a proxy that is not there, and one whose address is none, are said without its password', async () => {
  for (const [proxy, words] of [
    ['http://me:xyzzy@127.0.0.1:9', /cannot be reached \(ECONNREFUSED\)/],
    ['http://me:xyzzy@127.0.0.1:port', /address of the proxy/],
  ] as const) {
    lab.environment['HTTPS_PROXY'] = proxy;
    const { exitCode, stdout, stderr } = await sync();
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(words);
    expect(stdout + stderr).not.toContain('xyzzy');
  }
});
