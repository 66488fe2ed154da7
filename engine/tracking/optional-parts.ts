/** Parts of a delivery that a server may lack or refuse without harm to the rest. */
import { TrackingError } from './mlflow-client.js';

export class OptionalParts {
  private readonly said = new Set<string>();
  /** What the server does not have. */
  private readonly without = new Set<string>();

  /** @param say takes what the user shall know, each text once */
  constructor(private readonly say: (text: string) => void) {}

  /** What an older server lacks, or this one refuses, is left out, and said once. */
  async send(part: string, deliver: () => Promise<unknown>): Promise<void> {
    if (this.without.has(part)) return;
    try {
      await deliver();
    } catch (error) {
      if (!(error instanceof TrackingError)) throw error;
      if (error.kind === 'no-endpoint') {
        this.without.add(part);
        this.tell(
          `the server takes no ${part} (${error.message}); the rest is sent. ${error.more.remedy ?? ''}`.trim(),
        );
      } else if (refused(error)) this.tell(`${error.message}: some ${part} are left out`);
      else throw error;
    }
  }

  tell(text: string): void {
    if (this.said.has(text)) return;
    this.said.add(text);
    this.say(text);
  }
}

/** The same request will be refused again. */
export const refused = (error: unknown): boolean =>
  error instanceof TrackingError && (error.kind === 'refused' || error.kind === 'too-large');
