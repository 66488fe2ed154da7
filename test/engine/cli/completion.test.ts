/** Completion as the shells do it: real bash and zsh in a terminal with the Tab key, fish by its own `complete -C`. */
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { complete } from '../../../engine/cli/completion/candidates.js';
import { shells, type Shell } from '../../../engine/cli/completion/scripts.js';
import { addCommon } from '../../../engine/cli/options.js';
import { verbs } from '../../../engine/cli/verbs.js';
import { Lab } from '../run/lab.js';

const there = (name: string) => spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined;
const missing = [...shells, 'script'].filter((name) => !there(name));
// Loud, as a skipped test is easily overlooked.
if (missing.length > 0)
  console.warn(`NOT TESTED, because it is not installed: completion with ${missing.join(', ')}`);

const experiment = `
params: { identities: 5, size: 32 }
profiles: { paper: { params: { identities: 9 } } }
stages:
  top: { uses: ./fake.js, with: { value: "\${{ params.identities }}" } }
  samples: { uses: ./fake.js, matrix: { m: [-0.5, 0, 0.25] }, inputs: { a: top } }
`;

function experimentLab(): Lab {
  const lab = Lab.create();
  writeFileSync(lab.path('x.yaml'), experiment);
  writeFileSync(lab.path('notes.txt'), '');
  mkdirSync(lab.path('folder'));
  return lab;
}

/** As the command line builds it (main.ts). */
function commandLine(): Command {
  const program = addCommon(new Command('cemiflow')).version('0.0.0');
  for (const verb of verbs) addCommon(verb(program));
  return program;
}

/** What the command line offers in that folder. */
async function offered(lab: Lab, ...words: string[]): Promise<{ how: string; texts: string[] }> {
  const back = process.cwd();
  process.chdir(lab.folder);
  try {
    const { candidates, files, open } = await complete(commandLine(), words);
    return { how: `${files}${open ? ' open' : ''}`, texts: candidates.map(({ text }) => text) };
  } finally {
    process.chdir(back);
  }
}

/** The same as a shell asks for it: the first line, and candidates without their descriptions. */
async function asked(lab: Lab, ...words: string[]): Promise<{ how: string; texts: string[] }> {
  const { stdout, stderr } = await lab.cemiflow('__complete', '--', ...words);
  expect(stderr).toBe('');
  const [how = '', ...lines] = stdout.split('\n').filter((line) => line !== '');
  return { how, texts: lines.map((line) => line.split('\t')[0]!) };
}

describe('what is offered', () => {
  test.each<[string[], { how?: string; texts: string[] }]>([
    [['va'], { texts: ['validate'] }],
    [['-C', 'folder', 'va'], { texts: ['validate'] }],
    [['run', '--ke'], { texts: ['--keep-going'] }],
    [['run', ''], { how: 'yaml', texts: [] }],
    [['run', 'x.yaml', '--until', ''], { texts: ['top', 'samples'] }],
    [['run', '-j', '2', 'x.yaml', '--until', 't'], { texts: ['top'] }],
    [['run', 'x.yaml', '--only=s'], { texts: ['--only=samples'] }],
    [['run', 'x.yaml', '-f', 'top', '-f', 's'], { texts: ['samples'] }],
    [['why', 'x.yaml', 's'], { texts: ['samples'] }],
    [['why', 'samples', ''], { how: 'yaml', texts: [] }],
    [
      ['run', 'x.yaml', '--until', 'samples@'],
      { texts: ['samples@m=-0.5', 'samples@m=0', 'samples@m=0.25'] },
    ],
    [['run', 'x.yaml', '--set', 'stages.samples.matrix.m=[1]', '-f', 'samples@'], { texts: ['samples@m=1'] }],
    [['run', 'x.yaml', '--profile', ''], { texts: ['paper'] }],
    [
      ['plan', 'x.yaml', '--set', 'params.'],
      { how: 'none open', texts: ['params.identities=', 'params.size='] },
    ],
    [['plan', 'x.yaml', '--set', 'stages.t'], { how: 'none open', texts: ['stages.top.'] }],
    [['run', 'x.yaml', '--device', 'w'], { texts: ['webgpu', 'wasm'] }],
    [['dag', '--format=d'], { texts: ['--format=dot'] }],
    [['schema', 'fr-'], { texts: ['fr-train'] }],
    [['completion', ''], { texts: ['bash', 'zsh', 'fish'] }],
    [['run', '--runs-dir', ''], { how: 'folders', texts: [] }],
    [['run', 'missing.yaml', '--until', ''], { texts: [] }],
    [['show', ''], { texts: [] }],
    [['list', ''], { texts: [] }],
    [['cache', 've'], { texts: ['verify'] }],
    [['show', '--config', ''], { how: 'yaml', texts: [] }],
    [['show', '--config', 'x.yaml', 't'], { texts: ['top'] }],
    [['nonsense', ''], { texts: [] }],
  ])('%j', async (words, { how = 'none', texts }) => {
    await using lab = experimentLab();
    expect(await offered(lab, ...words)).toEqual({ how, texts });
  });

  test('every verb of the help, and no flag twice', async () => {
    await using lab = experimentLab();
    const { texts } = await asked(lab, '');
    const help = (await lab.cemiflow('--help')).stdout;
    const commands = help.slice(help.indexOf('\nCommands:'));
    expect(texts).toEqual([...commands.matchAll(/^ {2}([a-z]+)\b/gm)].map((match) => match[1]));
    const flags = (await asked(lab, 'run', '-q', '--seed', '3', '--')).texts;
    expect(flags).toContain('--set');
    expect(flags).not.toContain('--seed');
    expect(new Set(flags).size).toBe(flags.length);
  });

  test('runs and their stages, where there are runs; also from another folder', async () => {
    await using lab = experimentLab();
    const { run } = await lab.run();
    expect((await offered(lab, 'show', '')).texts).toEqual(['latest', run]);
    expect((await offered(lab, 'compare', run, run.slice(0, 4))).texts).toEqual([run]);
    expect((await offered(lab, 'logs', '--run', '')).texts).toEqual(['latest', run]);
    expect((await offered(lab, 'logs', 't')).texts).toEqual(['top']);
    expect((await offered(lab, 'show', 'latest', 'samples@m=0')).texts).toEqual([
      'samples@m=0',
      'samples@m=0.25',
    ]);
    const elsewhere = await offered(lab, '-C', 'folder', 'show', '--runs-dir', '../runs', '');
    expect(elsewhere.texts).toEqual(['latest', run]);
  });

  test('of a file that is not valid yet, too', async () => {
    await using lab = experimentLab();
    appendFileSync(lab.path('x.yaml'), '  half: { uses: fr-trian, inputs: { dataset: \n    t } }\n');
    expect((await offered(lab, 'run', 'x.yaml', '--until', '')).texts).toEqual(['top', 'samples', 'half']);
    // No YAML at all.
    appendFileSync(lab.path('x.yaml'), '}}}');
    expect((await offered(lab, 'run', 'x.yaml', '--until', '')).texts).toEqual([]);
  });

  test('loads no more than it must: no validator, no process library, nothing of tensors', async () => {
    await using lab = experimentLab();
    const words = ['run', 'x.yaml', '--until', 't'];
    expect(await lab.packagesLoadedBy('__complete', '--', ...words)).toEqual([
      'commander',
      'fastest-levenshtein',
      'picocolors',
    ]);
  });
});

/** Types lines at a terminal in which `cemiflow` prints the words it is given. @returns what it printed */
async function typed(lab: Lab, shell: 'bash' | 'zsh', lines: readonly string[]): Promise<string[]> {
  const start = { bash: 'bash --norc --noprofile -i', zsh: 'zsh -f -i' }[shell];
  const prepare = {
    bash: `source completion.bash`,
    zsh: `autoload -Uz compinit; compinit -u -d zcompdump; source completion.zsh`,
  }[shell];
  const terminal = spawn('script', ['-qfec', start, '/dev/null'], {
    cwd: lab.folder,
    env: { ...process.env, ...lab.environment, TERM: 'dumb', PS1: '> ' },
  });
  let screen = '';
  terminal.stdout.on('data', (piece: Buffer) => (screen += piece.toString()));
  const printed = () => [...screen.matchAll(/^=((?:<[^\r\n]*>)?)=\r?$/gm)].map((match) => match[1]!);
  const until = async (count: number) => {
    for (let left = 600; printed().length < count && left > 0; left -= 1)
      await new Promise((resolve) => setTimeout(resolve, 100));
    if (printed().length < count) throw new Error(`${shell} did not answer: ${screen}`);
  };
  try {
    terminal.stdin.write(
      `${prepare}\ncemiflow() { printf '='; printf '<%s>' "$@"; printf '=\\n'; }\ncemiflow ready\n`,
    );
    for (const [index, line] of lines.entries()) {
      await until(index + 1);
      terminal.stdin.write(`${line}\n`);
    }
    await until(lines.length + 1);
    terminal.stdin.write('exit\n');
    return printed().slice(1);
  } finally {
    terminal.kill('SIGKILL');
  }
}

async function install(lab: Lab, shell: Shell): Promise<string> {
  const { stdout, exitCode } = await lab.cemiflow('completion', shell);
  expect(exitCode).toBe(0);
  const file = `completion.${shell}`;
  writeFileSync(lab.path(file), stdout);
  return file;
}

test.skipIf(missing.includes('script')).for(['bash', 'zsh'] as const)(
  '%s, with the Tab key',
  async (shell, { skip }) => {
    if (missing.includes(shell)) skip(`${shell} is not installed`);
    await using lab = experimentLab();
    await install(lab, shell);
    const answers = await typed(lab, shell, [
      'cemiflow vali\tx\t',
      'cemiflow run x\t --keep\t --unt\tsam\t',
      // bash breaks words at @ and =.
      'cemiflow run x.yaml --only samples@m=0.\t',
      'cemiflow run x.yaml --prof\tp\t',
      'cemiflow run x.yaml --profile=p\t',
      // The word goes on: no space behind it.
      'cemiflow plan x.yaml --set params.i\t7',
      'cemiflow why top fol\tx',
      'cemiflow schema face-\t',
    ]);
    expect(answers).toEqual([
      '<validate><x.yaml>',
      '<run><x.yaml><--keep-going><--until><samples>',
      '<run><x.yaml><--only><samples@m=0.25>',
      '<run><x.yaml><--profile><paper>',
      '<run><x.yaml><--profile=paper>',
      '<plan><x.yaml><--set><params.identities=7>',
      '<why><top><folder/x>',
      '<schema><face-api-model>',
    ]);
  },
);

test.skipIf(missing.includes('fish'))('fish', async () => {
  await using lab = experimentLab();
  const file = await install(lab, 'fish');
  const completed = async (line: string) => {
    const { stdout } = await execa('fish', ['--no-config', '-c', `source ${file}; complete -C '${line}'`], {
      cwd: lab.folder,
      env: lab.environment,
    });
    return stdout.split('\n').map((text) => text.split('\t')[0]);
  };
  expect(await completed('cemiflow vali')).toEqual(['validate']);
  expect(await completed('cemiflow validate ')).toEqual(['folder/', 'steer/', 'tmp/', 'x.yaml']);
  expect((await completed('cemiflow run x.yaml --only ')).sort()).toEqual(['samples', 'top']);
  expect(await completed('cemiflow run x.yaml --only samples@m=0.')).toEqual(['samples@m=0.25']);
  expect(await completed('cemiflow run x.yaml --profile=')).toEqual(['--profile=paper']);
  expect(await completed('cemiflow plan x.yaml --set params.i')).toEqual(['params.identities=']);
});
