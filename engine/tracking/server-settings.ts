/** Where the tracking server is and how to talk to it: the experiment file, and the variables that MLflow's own clients read. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { hideCredentials, withoutThese } from '../credentials.js';

type Env = Readonly<Record<string, string | undefined>>;

/** A value that must not be seen: it shows itself as [hidden] wherever it is printed or stored. */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return '[hidden]';
  }
  toJSON(): string {
    return '[hidden]';
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[hidden]';
  }
}

/** What may be stored with a run: no credentials. */
export interface TrackingTarget {
  /** http(s)://host[:port][/path], without credentials and without a slash at its end. */
  uri: string;
  /** The experiment's name on the server. */
  experiment: string;
}

export interface ServerAccess {
  login?: { username: string; password: Secret };
  token?: Secret;
  /** A PEM bundle to trust instead of the system's. */
  ca?: Buffer;
  /** A PEM file with the client's own certificate and key. */
  certificate?: Buffer;
  /** False: whatever certificate the server shows is taken. */
  verify: boolean;
  timeoutSeconds: number;
}

/** Makes a text harmless that somebody else has written: a server may repeat in its answer what it was sent. */
export function withoutSecrets({ login, token }: ServerAccess, text: string): string {
  const basic = login && Buffer.from(`${login.username}:${login.password.reveal()}`).toString('base64');
  const secrets = [login?.password.reveal(), token?.reveal(), basic].filter((secret) => secret !== undefined);
  return withoutThese(secrets, hideCredentials(text));
}

/** The settings cannot be used. */
export class TrackingSettingsError extends Error {
  override readonly name = 'TrackingSettingsError';
  constructor(
    message: string,
    readonly remedy: string,
  ) {
    super(message);
  }
}

const http = /^https?:\/\//;

/**
 * The server of an experiment: its own `tracking.uri`, else MLFLOW_TRACKING_URI; undefined where neither is set.
 * @throws TrackingSettingsError where the address is none that REST reaches
 */
export function trackingTarget(
  tracking: { uri?: string; experiment?: string } | undefined,
  name: string,
  env: Env,
): TrackingTarget | undefined {
  const given = tracking?.uri ?? env['MLFLOW_TRACKING_URI'];
  if (given === undefined || given === '') return undefined;
  return {
    uri: withoutCredentials(given),
    experiment: tracking?.experiment ?? (env['MLFLOW_EXPERIMENT_NAME'] || name),
  };
}

/** @throws TrackingSettingsError; its text never holds the credentials */
export function withoutCredentials(given: string): string {
  if (!http.test(given))
    throw new TrackingSettingsError(
      `the tracking server '${given.split(':')[0]}:…' is not one that is reached over http`,
      'Start one with `mlflow server` and set tracking.uri or MLFLOW_TRACKING_URI to http://127.0.0.1:5000.',
    );
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    throw new TrackingSettingsError(
      'the address of the tracking server is no URL',
      'It looks like http://127.0.0.1:5000.',
    );
  }
  url.username = '';
  url.password = '';
  url.hash = '';
  url.search = '';
  return url.href.replace(/\/+$/, '');
}

/** How to talk to it, from MLFLOW_TRACKING_*, from the address itself, and from ~/.mlflow/credentials, as MLflow's clients do. */
export function serverAccess(env: Env, home = homedir()): ServerAccess {
  const inAddress = loginIn(env['MLFLOW_TRACKING_URI'] ?? '');
  const inFile = credentialsFile(join(home, '.mlflow', 'credentials'));
  const username =
    env['MLFLOW_TRACKING_USERNAME'] || inAddress?.username || inFile['mlflow_tracking_username'];
  const password =
    env['MLFLOW_TRACKING_PASSWORD'] || inAddress?.password || inFile['mlflow_tracking_password'];
  const token = env['MLFLOW_TRACKING_TOKEN'];
  const ca = env['MLFLOW_TRACKING_SERVER_CERT_PATH'];
  const certificate = env['MLFLOW_TRACKING_CLIENT_CERT_PATH'];
  const timeout = Number(env['MLFLOW_HTTP_REQUEST_TIMEOUT']);
  return {
    ...(username && password ? { login: { username, password: new Secret(password) } } : {}),
    ...(token ? { token: new Secret(token) } : {}),
    ...(ca ? { ca: readPem(ca, 'MLFLOW_TRACKING_SERVER_CERT_PATH') } : {}),
    ...(certificate ? { certificate: readPem(certificate, 'MLFLOW_TRACKING_CLIENT_CERT_PATH') } : {}),
    verify: !['true', '1'].includes((env['MLFLOW_TRACKING_INSECURE_TLS'] ?? '').toLowerCase()),
    timeoutSeconds: timeout > 0 ? timeout : 120,
  };
}

function loginIn(address: string): { username: string; password: string } | undefined {
  try {
    const { username, password } = new URL(address);
    return username
      ? { username: decodeURIComponent(username), password: decodeURIComponent(password) }
      : undefined;
  } catch {
    return undefined;
  }
}

/** MLflow's file is an INI file with one section, [mlflow]. */
function credentialsFile(path: string): Record<string, string> {
  if (!existsSync(path)) return {};
  const values: Record<string, string> = {};
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [, key, value] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined) values[key] = value!;
  }
  return values;
}

function readPem(path: string, variable: string): Buffer {
  let text: Buffer;
  try {
    text = readFileSync(path);
  } catch (error) {
    throw new TrackingSettingsError(
      `${variable} names ${path}, which cannot be read: ${(error as Error).message}`,
      'Let it name a PEM file.',
    );
  }
  if (text.includes('-----BEGIN CERTIFICATE')) return text;
  throw new TrackingSettingsError(
    `${variable} names ${path}, which holds no certificate`,
    'Let it name a PEM file: -----BEGIN CERTIFICATE----- and so on.',
  );
}
