/**
 * Starts the programs of `command` stages through a small shell that the engine keeps for it. To fork, the kernel copies the table of a
 * process's memory: for an engine that holds thousands of stages this takes several milliseconds, for the shell a tenth of one.
 * A launcher serves one command after the other, each in a process group of its own, and tells the engine its pid and how it ended. Their
 * output comes through two named pipes, which end when the last of their writers is gone. Linux only: it is there that it was tried.
 */
import { spawn } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Child } from './attempt-process.js';
import type { Death } from './failure.js';

/**
 * $1 is a folder with `job`, what is to be run up to a zero byte, and the pipes `out` and `err`.
 * Descriptor 3 is a pipe whose other end only the engine has. The watcher reads it to its end, which comes when the engine is gone, killed
 * even, and then ends all processes of this session, as they would compute for nobody; twice, since one may just have forked.
 * Signals are for the commands: a scheduler that sends SIGTERM to every process it finds must not take launcher and watcher away. `:`
 * and not '', which the commands would inherit. With -m, and only then, a job is a group; without it `wait` is not bothered by a Ctrl-Z.
 */
const script = `
trap : TERM INT HUP
(
  trap '' TERM INT HUP
  read -r _ <&3
  self=$BASHPID found=1
  while [ $found = 1 ]; do
    found=0
    for file in /proc/[0-9]*/stat; do
      read -r stat <$file || continue
      pid=\${file//[!0-9]/} fields=(\${stat##*) })
      if [ "\${fields[3]}" = $$ ] && [ "\${fields[0]}" != Z ] && [ $pid != $self ]; then kill -KILL $pid; found=1; fi
    done
  done
  rm -rf "$1"
) >/dev/null 2>&1 &
exec 3<&-
mkfifo "$1/out" "$1/err" && echo ready
while read -r _; do
  set -m
  { IFS= read -r -d '' job <"$1/job"; eval "$job"; } </dev/null >"$1/out" 2>"$1/err" &
  set +m
  echo "pid $!"
  wait $!
  code=$?
  while [ $code -gt 128 ] && kill -0 $! 2>/dev/null; do wait $!; code=$?; done
  echo "end $code"
done
`;

type Answer = 'ready' | 'pid' | 'end';

class Launcher {
  private readonly folder = mkdtempSync(join(tmpdir(), 'cemiflow-'));
  /** `job`, open once it was needed. */
  private file: number | undefined;
  private readonly child;
  private readonly replies: Socket;
  private readonly asked = new Map<Answer, (value: number | undefined) => void>();
  /** How it ended itself. */
  readonly gone: Promise<Death>;
  private lives = true;
  private readonly ready: Promise<number | undefined>;

  constructor(
    bash: string,
    readonly cwd: string,
  ) {
    this.child = spawn(bash, ['-c', script, 'bash', this.folder], {
      stdio: ['pipe', 'pipe', 'ignore', 'pipe'],
      cwd,
      // A session of its own, with all that it starts.
      detached: true,
    });
    this.replies = this.child.stdout as Socket;
    this.gone = new Promise((resolve) => {
      this.child.once('exit', (code, signal) =>
        resolve({ exitCode: code ?? undefined, signal: signal ?? undefined }),
      );
      this.child.once('error', ({ message }) => resolve({ originalMessage: message }));
    });
    void this.gone.then(() => {
      this.lives = false;
      for (const answer of this.asked.values()) answer(undefined);
    });
    // It may end between our look and our word to it.
    this.child.stdin!.on('error', () => undefined);
    this.ready = this.answer('ready');
    this.hear();
    // While it has nothing to do it must not keep the engine.
    this.child.unref();
    for (const end of [this.child.stdin, this.child.stdio[3], this.replies]) (end as Socket).unref();
  }

  /** @returns undefined where the launcher did not start */
  async start(job: string): Promise<Launched | undefined> {
    this.replies.ref();
    if ((await this.ready) === undefined) return undefined;
    // Over the last one, up to a zero byte: a file that is made empty and filled again goes to the disk each time.
    this.file ??= openSync(join(this.folder, 'job'), 'w');
    const text = Buffer.from(`${job}\0`);
    for (let done = 0; done < text.length;)
      done += writeSync(this.file, text, done, text.length - done, done);
    // Ours first: who opens the other end waits for a reader.
    const [stdout, stderr] = [this.open('out'), this.open('err')];
    const ends = [stdout, stderr].map((stream) => {
      let ended = false;
      stream.once('end', () => (ended = true));
      return () => ended;
    });
    const [started, over] = [this.answer('pid'), this.answer('end')];
    this.child.stdin!.write('\n');
    const pid = await started;
    const exited = over.then((exitCode) => (exitCode === undefined ? this.gone : { exitCode }));
    return {
      pid,
      stdout,
      stderr,
      exited,
      done: () => {
        this.replies.unref();
        // What left its group and holds a pipe would write into the output of the next command.
        if (this.lives && ends.every((ended) => ended())) idle.push(this);
        else void this.close();
      },
    };
  }

  /** Ends it, with all that still is of its session. */
  async close(): Promise<void> {
    all.delete(this);
    this.child.ref();
    this.child.stdin!.end();
    (this.child.stdio[3] as Socket).end();
    await this.gone;
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
    rmSync(this.folder, { recursive: true, force: true });
  }

  private open(name: string): Socket {
    const fd = openSync(join(this.folder, name), constants.O_RDONLY | constants.O_NONBLOCK);
    return new Socket({ fd, readable: true, writable: false });
  }

  private answer(kind: Answer): Promise<number | undefined> {
    if (!this.lives) return Promise.resolve(undefined);
    return new Promise((resolve) => this.asked.set(kind, resolve));
  }

  private hear(): void {
    let open = '';
    this.replies.on('data', (piece: Buffer) => {
      const lines = (open + piece.toString('latin1')).split('\n');
      open = lines.pop()!;
      for (const line of lines) {
        const [kind, value] = line.split(' ') as [Answer, string?];
        this.asked.get(kind)?.(Number(value ?? 0));
        this.asked.delete(kind);
      }
    });
  }
}

const all = new Set<Launcher>();
/** Those that wait for a command. */
const idle: Launcher[] = [];
/** Whether one did not start: no room or no right for named pipes, say. Then the others would not either. */
let broken = false;

export interface Launched extends Child {
  /** To be called when it has ended and its output was read, or given up. */
  done(): void;
}

/**
 * @param job bash commands, run in a fork of the launcher with nothing on their stdin
 * @returns undefined where it can only be started in another way
 */
export async function launch(job: string, bash: string, cwd: string): Promise<Launched | undefined> {
  // A line ends there for the shell that reads it.
  if (broken || process.platform !== 'linux' || job.includes('\0')) return undefined;
  const waiting = idle.findIndex((launcher) => launcher.cwd === cwd);
  let launcher: Launcher | undefined;
  try {
    launcher = waiting < 0 ? new Launcher(bash, cwd) : idle.splice(waiting, 1)[0]!;
    all.add(launcher);
    const launched = await launcher.start(job);
    if (launched) return launched;
  } catch {
    // The direct way will say what is wrong.
  }
  broken = true;
  await launcher?.close();
  return undefined;
}

/** Ends all launchers; the next command starts a new one. */
export async function endLaunchers(): Promise<void> {
  idle.length = 0;
  await Promise.all([...all].map((launcher) => launcher.close()));
}

/** As one word of a shell. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
