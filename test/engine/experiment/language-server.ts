/** The real yaml-language-server, spoken to as an editor does: LSP over its standard input and output. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

interface Position {
  line: number;
  character: number;
}
export interface EditorProblem {
  range: { start: Position; end: Position };
  message: string;
}
interface Message {
  id?: number;
  method?: string;
  params?: { items?: { section?: string }[]; uri?: string; diagnostics?: EditorProblem[] };
  result?: unknown;
  error?: { message: string };
}

/** As a user has it who installed an editor's YAML extension, without the schemas of the web. */
const settings: Record<string, unknown> = {
  yaml: { validate: true, hover: true, completion: true, schemaStore: { enable: false } },
};

export class Editor {
  private readonly server: ChildProcessWithoutNullStreams;
  private received = Buffer.alloc(0);
  private asked = 0;
  private readonly answers = new Map<number, (message: Message) => void>();
  private readonly problems = new Map<string, (problems: EditorProblem[]) => void>();

  private constructor() {
    const bin = createRequire(import.meta.url).resolve('yaml-language-server/bin/yaml-language-server');
    this.server = spawn(process.execPath, [bin, '--stdio']);
    this.server.stdout.on('data', (piece: Buffer) => this.receive(piece));
  }

  static async open(): Promise<Editor> {
    const editor = new Editor();
    await editor.ask('initialize', {
      processId: process.pid,
      rootUri: null,
      capabilities: {
        workspace: { configuration: true },
        textDocument: { hover: { contentFormat: ['markdown'] }, completion: {} },
      },
    });
    editor.send({ method: 'initialized', params: {} });
    return editor;
  }

  /** Opens a text as the file it would be; '|' is taken out and marks where the cursor stands. */
  async type(file: string, marked: string): Promise<Typed> {
    const uri = pathToFileURL(file).href;
    const offset = marked.indexOf('|');
    const text = offset < 0 ? marked : marked.slice(0, offset) + marked.slice(offset + 1);
    const before = marked.slice(0, Math.max(0, offset)).split('\n');
    const position = { line: before.length - 1, character: before.at(-1)!.length };
    const problems = new Promise<EditorProblem[]>((resolve) => this.problems.set(uri, resolve));
    this.send({
      method: 'textDocument/didOpen',
      params: { textDocument: { uri, languageId: 'yaml', version: 1, text } },
    });
    const at = { textDocument: { uri }, position };
    return {
      problems: async () => {
        const found = await problems;
        this.send({ method: 'textDocument/didClose', params: { textDocument: { uri } } });
        return found;
      },
      completions: async () => {
        const answer = (await this.ask('textDocument/completion', at)) as {
          items: { label: string; documentation?: string | { value: string } }[];
        };
        return answer.items;
      },
      hover: async (position: Position = at.position) => {
        const answer = (await this.ask('textDocument/hover', { ...at, position })) as {
          contents: { value: string };
        } | null;
        return answer?.contents.value;
      },
    };
  }

  [Symbol.dispose](): void {
    this.server.kill('SIGKILL');
  }

  private async ask(method: string, params: unknown): Promise<unknown> {
    const id = (this.asked += 1);
    const answer = new Promise<Message>((resolve) => this.answers.set(id, resolve));
    this.send({ id, method, params });
    const { result, error } = await answer;
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  private send(message: object): void {
    const text = JSON.stringify({ jsonrpc: '2.0', ...message });
    this.server.stdin.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }

  private receive(piece: Buffer): void {
    this.received = Buffer.concat([this.received, piece]);
    for (;;) {
      const head = this.received.indexOf('\r\n\r\n');
      const length = Number(/Content-Length: (\d+)/.exec(this.received.subarray(0, head).toString())?.[1]);
      if (head < 0 || this.received.length < head + 4 + length) return;
      const body = this.received.subarray(head + 4, head + 4 + length).toString();
      this.received = this.received.subarray(head + 4 + length);
      this.understand(JSON.parse(body) as Message);
    }
  }

  private understand({ id, method, params, ...answer }: Message): void {
    if (id !== undefined && method !== undefined) {
      const result = params?.items?.map(({ section }) => settings[section ?? ''] ?? {}) ?? null;
      this.send({ id, result });
    } else if (id !== undefined) this.answers.get(id)?.(answer);
    else if (method === 'textDocument/publishDiagnostics')
      this.problems.get(params!.uri!)?.(params!.diagnostics!);
  }
}

export interface Typed {
  problems(): Promise<EditorProblem[]>;
  completions(): Promise<{ label: string; documentation?: string | { value: string } }[]>;
  hover(position?: Position): Promise<string | undefined>;
}
