/**
 * A task on a device in a process of its own: for libtensorflow, which makes its threads once in a process, and for what holds much memory.
 * Started as a program, this file is that process: it opens the task, and takes a turn whenever it is told to.
 */
import { fileURLToPath } from 'node:url';
import { execa, getEachMessage, sendMessage } from 'execa';
import { openDevice } from '../../stages/tensors/device.js';
import { type TaskAddress, taskOf } from './compute.js';

export interface TimedTurn {
  answer: number;
  /** Seconds, of all its threads together. */
  processor: number;
}

export class DeviceProcess {
  private constructor(
    private readonly child: ReturnType<typeof spawnProcess>,
    private readonly messages: AsyncIterator<unknown>,
  ) {}

  /** @throws with what the device said, where it does not work or cannot do the task */
  static async open(address: TaskAddress, device: string, threads: number): Promise<DeviceProcess> {
    const child = spawnProcess(address, device, threads);
    const opened = new DeviceProcess(child, child.getEachMessage()[Symbol.asyncIterator]());
    await opened.next();
    return opened;
  }

  async turn(): Promise<TimedTurn> {
    await this.child.sendMessage('turn');
    return (await this.next()) as TimedTurn;
  }

  async close(): Promise<void> {
    this.child.kill();
    await this.child;
  }

  private async next(): Promise<unknown> {
    const { value, done } = await this.messages.next();
    if (!done && !('error' in (value as object))) return value;
    await this.close();
    throw new Error(done ? 'its process ended' : (value as { error: string }).error);
  }
}

const thisFile = fileURLToPath(import.meta.url);

function spawnProcess(address: TaskAddress, device: string, threads: number) {
  return execa(process.execPath, [thisFile, JSON.stringify({ address, device, threads })], {
    ipc: true,
    reject: false,
    stdout: 'ignore',
    stderr: 'inherit',
  });
}

async function serve(words: string): Promise<void> {
  const { address, device, threads } = JSON.parse(words) as {
    address: TaskAddress;
    device: string;
    threads: number;
  };
  try {
    const opened = await openDevice(device, { threads });
    const { turn } = (await taskOf(address)).open(opened);
    await sendMessage({ threads: opened.threads });
    for await (const _ of getEachMessage()) {
      const before = process.cpuUsage();
      const answer = await turn();
      const { user, system } = process.cpuUsage(before);
      await sendMessage({ answer, processor: (user + system) / 1e6 });
    }
  } catch (error) {
    await sendMessage({ error: (error as Error).message });
  }
}

if (process.argv[1] === thisFile) await serve(process.argv[2]!);
