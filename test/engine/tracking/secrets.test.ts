/** Where the credentials of a tracking server go: to the server, and nowhere else. Needs the compiled engine (npm run build). */
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { packageRoot } from '../../../engine/cli/invocation.js';
import { Tracked } from './tracked.js';

const its = new Tracked();

beforeEach(() => {
  its.lab.write(`  one:
    uses: command
    with: { run: "echo metric loss 1; env; echo x > \${{ outputs.out }}/f", outputs: { out: files } }
`);
});

/** Every file below that folder. */
const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => join(folder, path))
    .filter((path) => statSync(path).isFile());

/** What the courier of that run tells the engine. */
async function courierMessages(folder: string): Promise<unknown[]> {
  const courier = fork(join(packageRoot, 'dist/engine/tracking/courier.js'), [], {
    env: { ...process.env, ...its.lab.environment },
  });
  const messages: unknown[] = [];
  courier.on('message', (message) => messages.push(message));
  courier.send({
    type: 'begin',
    runsDir: its.lab.path('runs'),
    folder,
    target: { uri: its.server.uri, experiment: 'x' },
  });
  courier.send({ type: 'finish' });
  await once(courier, 'exit');
  return messages;
}

const secret = 'xyzzy/plugh 4711';

test.each([
  ['MLFLOW_TRACKING_PASSWORD', /^Basic /],
  ['MLFLOW_TRACKING_TOKEN', /^Bearer /],
  ['MLFLOW_TRACKING_URI', /^Basic /],
])(
  'the secret in %s goes to the server and nowhere else, also where it answers with it',
  async (variable, header) => {
    if (variable === 'MLFLOW_TRACKING_URI')
      its.lab.environment[variable] = its.server.uri.replace(
        'http://',
        `http://me:${encodeURIComponent(secret)}@`,
      );
    else
      Object.assign(its.lab.environment, {
        MLFLOW_TRACKING_URI: its.server.uri,
        MLFLOW_TRACKING_USERNAME: 'me',
        [variable]: secret,
      });
    const texts: string[] = [];
    let failing = true;
    its.server.mischief = ({ headers }) => {
      // While engine and courier are at work.
      texts.push(spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).stdout);
      const sent = headers.authorization ?? '';
      const message = `no entry for ${sent}, which is ${Buffer.from(sent.slice(6), 'base64').toString()} or ${encodeURIComponent(secret)}`;
      return failing ? { status: 401, body: { error_code: 'UNAUTHENTICATED', message } } : undefined;
    };
    const say = async (...words: string[]) => {
      const said = await its.lab.cemiflow(...words);
      texts.push(said.stdout, said.stderr);
      return said;
    };
    const refused = await say('run', 'x.yaml', '-v');
    expect(refused.stderr).toContain('UNAUTHENTICATED: no entry for');
    const [run] = readdirSync(its.lab.path('runs')).filter((name) => /^\d{8}-/.test(name));
    const messages = await courierMessages(its.lab.path('runs', run!));
    expect(messages).toContainEqual(expect.objectContaining({ type: 'down' }));
    texts.push(JSON.stringify(messages));
    await say('sync', '--json');
    failing = false;
    expect((await say('sync', '-v')).exitCode).toBe(0);
    await say('run', 'x.yaml', '-v');
    for (const words of [
      ['list', '--json'],
      ['show', '--json'],
      ['logs', 'one'],
      ['compare'],
      ['report'],
      ['status'],
      ['why', 'one', 'x.yaml'],
      ['plan', 'x.yaml', '--json'],
      ['validate', 'x.yaml', '--json'],
      ['show', '--config', 'x.yaml'],
      ['cache', 'ls', '--json'],
      ['list', '--from', 'mlflow'],
    ])
      // prettier-ignore
      await say(...words);

    const sent = its.server.calls.at(-1)!.headers.authorization!;
    expect(sent).toMatch(header);
    expect(sent.startsWith('Basic') ? Buffer.from(sent.slice(6), 'base64').toString() : sent).toContain(
      secret,
    );

    texts.push(...filesIn(its.lab.folder).map((file) => readFileSync(file, 'latin1')));
    for (const content of its.server.artifacts.values()) texts.push(content.toString('latin1'));
    texts.push(JSON.stringify([...its.server.runs.values()]));
    for (const word of [secret, encodeURIComponent(secret), Buffer.from(`me:${secret}`).toString('base64')])
      expect(texts.filter((text) => text.includes(word))).toEqual([]);
  },
);

test('a stage that fails with a secret on its lips: it is hidden on the screen, in the log, in the journal', async () => {
  const token = 'xyzzy-4711';
  Object.assign(its.lab.environment, { MLFLOW_TRACKING_URI: its.server.uri, MLFLOW_TRACKING_TOKEN: token });
  writeFileSync(
    its.lab.path('teller.js'),
    `export const stage = {
      kind: 'teller', summary: 'tells', schema: { type: 'object' }, inputs: {}, outputs: {}, seeded: false, device: false,
      load: async () => ({ run(context) {
        const { MLFLOW_TRACKING_TOKEN: token } = process.env;
        context.log(token);
        context.warn('it is ' + token);
        context.progress(1, 2, token);
        console.log(token);
        throw new Error('refused with ' + token);
      } }),
    };`,
  );
  its.lab.write('  one: { uses: ./teller.js }\n');
  const { exitCode, stdout, stderr } = await its.lab.cemiflow('run', 'x.yaml', '-v');
  expect(exitCode).toBe(1);
  expect(stderr).toContain('refused with [hidden]');
  const texts = [
    stdout,
    stderr,
    ...filesIn(its.lab.path('runs')).map((file) => readFileSync(file, 'latin1')),
  ];
  expect(texts.filter((text) => text.includes(token))).toEqual([]);
});

test.each([
  ['in the file', 'tracking: { uri: "http://me:SECRET@127.0.0.1:1" }', []],
  [
    'in a profile',
    'profiles: { lab: { tracking: { uri: "http://me:SECRET@127.0.0.1:1" } } }',
    ['--profile', 'lab'],
  ],
  ['in a profile that is not applied', 'profiles: { lab: { tracking: { uri: "http://me:SECRET@h" } } }', []],
  ['through a parameter', 'params: { at: "http://me:SECRET@h" }\ntracking: { uri: "${{ params.at }}" }', []],
  ['on the command line', '', ['--set', 'tracking.uri=http://me:SECRET@127.0.0.1:1']],
  ['on the command line, as a map', '', ['--set', 'tracking={ uri: "http://SECRET@h" }']],
  ['as a token', 'tracking: { uri: "http://127.0.0.1:1/?token=SECRET" }', []],
  ['beside another mistake', 'tracking: { uri: "http://me:SECRET@h", experimnt: x }', []],
  ['in a line that is no YAML', 'tracking: { uri: http://me:SECRET@h ]', []],
])(
  'an address with a secret %s is refused when the file is loaded, without being shown',
  async (where, line, words) => {
    const secret = 'xyzzy-4711';
    its.lab.write('  one: { uses: command, with: { run: echo } }\n'.concat(line.replace('SECRET', secret)));
    const given = words.map((word) => word.replace('SECRET', secret));
    const run = await its.lab.cemiflow('run', 'x.yaml', ...given);
    expect(run).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/^(x\.yaml:\d+:\d+|--set) /) });
    const checked = await its.lab.cemiflow('validate', 'x.yaml', '--json', ...given);
    expect(checked.exitCode).toBe(2);
    expect(run.stdout + run.stderr + checked.stdout + checked.stderr).not.toContain(secret);
    if (!where.includes('YAML')) expect(run.stderr).toMatch(/MLFLOW_TRACKING_(USERNAME|TOKEN)/);
  },
);

test.each(['http://me:xyzzy@127.0.0.1:1', 'http://127.0.0.1:1?token=xyzzy'])(
  'sync --to %s is refused, without being shown',
  async (address) => {
    const { exitCode, stderr } = await its.lab.cemiflow('sync', '--to', address);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 2,
      stderr: expect.stringContaining('MLFLOW_TRACKING_'),
    });
    expect(stderr).not.toContain('xyzzy');
  },
);
