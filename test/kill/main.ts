/**
 * `npm run test:kill [-- --times 100 --seed 7 --minutes 10 --keep]`: runs a small experiment of every stage kind, kills -9 the engine,
 * a stage, or both at random moments, goes on with `run` each time, and asserts that nothing shows: the bytes of every artifact, no
 * finished stage run twice, nothing left behind. Prints what a kill costs, by stage kind.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { RunSummary } from '../../engine/run/summary.js';
import { Random } from '../../stages/tensors/random.js';
import { costTable } from './cost-table.js';
import { writeMaterial } from './material.js';
import { startCemiflow } from './processes.js';
import { playRound, type Round, runWords } from './round.js';

interface Words {
  times: number;
  seed: number;
  minutes: number;
  keep: boolean;
}

function readWords(): Words | string {
  try {
    const { values } = parseArgs({
      options: {
        times: { type: 'string', default: '30' },
        seed: { type: 'string', default: '1' },
        minutes: { type: 'string', default: '60' },
        keep: { type: 'boolean', default: false },
      },
    });
    const [times, seed, minutes] = [Number(values.times), Number(values.seed), Number(values.minutes)];
    if (!Number.isInteger(times) || times < 1) return `--times ${values.times}: how often to kill, 1 or more`;
    if (!Number.isInteger(seed) || seed < 0) return `--seed ${values.seed}: an integer, 0 or more`;
    if (!(minutes > 0)) return `--minutes ${values.minutes}: after so long nothing more is killed`;
    return { times, seed, minutes, keep: values.keep };
  } catch (error) {
    return (error as Error).message;
  }
}

async function main(): Promise<number> {
  const words = readWords();
  if (typeof words === 'string') {
    console.error(words);
    return 2;
  }
  if (process.platform !== 'linux') {
    console.error('this harness finds processes in /proc: it needs Linux');
    return 2;
  }
  const folder = mkdtempSync(join(tmpdir(), 'cemiflow-kill-'));
  let wrong: number;
  try {
    wrong = await play(words, folder);
  } catch (error) {
    console.error(error);
    wrong = 1;
  }
  if (wrong > 0 || words.keep) console.log(`kept: ${folder}`);
  else remove(folder);
  return wrong > 0 ? 1 : 0;
}

/** @returns how much is wrong */
async function play({ times, seed, minutes }: Words, folder: string): Promise<number> {
  const begun = performance.now();
  const file = await writeMaterial(join(folder, 'experiment'));
  console.log(`seed ${seed}, ${times} kills; again: npm run test:kill -- --times ${times} --seed ${seed}`);
  const reference = await undisturbed(file, folder);
  console.log(`undisturbed: ${reference.stages.length} stages in ${reference.seconds.toFixed(1)} s`);
  const life = Math.max(3, 0.2 * reference.seconds);

  const rounds: Round[] = [];
  const hits = new Map<string, number>();
  const killed = () => rounds.reduce((sum, { kills }) => sum + kills.length, 0);
  const until = begun + minutes * 60_000;
  while (killed() < times && (rounds.length === 0 || performance.now() < until)) {
    const round = await playRound({
      folder: join(folder, `round-${rounds.length}`),
      file,
      random: new Random(seed, 'kill', rounds.length),
      kills: times - killed(),
      life,
      reference,
      hits,
      until,
      tell: (line) => console.log(`  ${line}`),
    });
    rounds.push(round);
    console.log(
      `round ${rounds.length}: ${round.kills.length} kills, ${round.wrong.length === 0 ? 'as if undisturbed' : `${round.wrong.length} faults`}`,
    );
    for (const fault of round.wrong) console.log(`  WRONG: ${fault}`);
  }
  const faults = rounds.reduce((sum, round) => sum + round.wrong.length, 0);
  console.log(`\n${costTable(rounds).join('\n')}`);
  console.log(
    `\n${killed()} kills in ${rounds.length} rounds, ${((performance.now() - begun) / 1000).toFixed(0)} s; ` +
      `a stage outlived its engine by ${Math.max(...rounds.map(({ outlived }) => outlived)).toFixed(1)} s at most; ` +
      (faults === 0 ? 'nothing shows' : `${faults} faults, seed ${seed}`),
  );
  return faults;
}

async function undisturbed(file: string, folder: string): Promise<RunSummary> {
  const logs = join(folder, 'undisturbed-spy');
  mkdirSync(logs);
  const { code, stdout, stderr } = await startCemiflow(runWords(file, join(folder, 'undisturbed')), logs)
    .ended;
  if (code !== 0) throw new Error(`the undisturbed run ended with exit code ${code}:\n${stderr}`);
  return JSON.parse(stdout) as RunSummary;
}

/** Artifacts are read-only. */
function remove(folder: string): void {
  spawnSync('chmod', ['-R', 'u+w', folder], { stdio: 'ignore' });
  rmSync(folder, { recursive: true, force: true });
}

process.exitCode = await main();
