/** A place to run in and a tracking server for each test of a file, what the run's journal says, and what the server has of it. */
import { readdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach } from 'vitest';
import type { Metric } from '../../../engine/tracking/mlflow-api.js';
import { readJournal } from '../../../engine/journal/reader.js';
import { Lab } from '../run/lab.js';
import { StandIn } from './stand-in.js';

export class Tracked {
  lab!: Lab;
  server!: StandIn;

  /** Made anew before each test, taken down after it. */
  constructor() {
    beforeEach(async () => {
      this.lab = Lab.create();
      this.server = new StandIn();
      await this.server.start();
    });
    afterEach(async () => {
      await this.server.stop();
      await this.lab[Symbol.asyncDispose]();
    });
  }

  /** Two stages, the second at two points; `one` takes `points` of a metric with `pause` ms after every 50. */
  write(points = 120, pause = 0): void {
    writeFileSync(
      this.lab.path('say.mjs'),
      `import { writeFileSync } from 'node:fs';
const [, , out, points, pause] = process.argv;
for (let i = 0; i < Number(points); i++) {
  console.log(\`metric loss \${1 / (i + 1)} \${i}\`);
  if (i % 50 === 49) await new Promise((resolve) => setTimeout(resolve, Number(pause)));
}
writeFileSync(out + '/f', points);
`,
    );
    this.lab.write(`  one:
    uses: command
    with: { run: "node say.mjs \${{ outputs.out }} ${points} ${pause}", outputs: { out: images }, code: [say.mjs] }
  two:
    uses: command
    matrix: { k: [1, 2] }
    inputs: { x: one }
    with: { run: "node say.mjs \${{ outputs.out }} 3 0 \${{ matrix.k }}", outputs: { out: files }, code: [say.mjs] }
`);
    this.lab.environment['MLFLOW_TRACKING_URI'] = this.server.uri;
  }

  /** Oldest first. */
  runFolders(): string[] {
    return readdirSync(this.lab.path('runs'))
      .filter((name) => /^\d{8}-/.test(name))
      .sort()
      .map((name) => this.lab.path('runs', name));
  }

  /** The points of a stage in the newest run's journal, as the server should have them. */
  journaled(stage: string, folder = this.runFolders().at(-1)!) {
    return readJournal(folder).flatMap((event) =>
      event.type === 'metric' && event.stage === stage
        ? [{ key: event.name, value: event.value, timestamp: Date.parse(event.at), step: event.step }]
        : [],
    );
  }

  /** The points that the stage itself told. */
  onServer(stage: string): Metric[] {
    return this.server
      .byName(stage)
      .metrics.filter(({ key }) => !key.startsWith('stage/') && !key.startsWith('system/'));
  }
}
