/**
 * Talks to an MLflow tracking server: axios below, MLflow's endpoints (mlflow-api.ts) above, and every way to fail put into a few kinds
 * that tell the caller what it may do next.
 */
import { createReadStream, statSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import axios, { type AxiosInstance, type AxiosResponse, isAxiosError } from 'axios';
import type { Endpoint } from './mlflow-api.js';
import { type ServerAccess, withoutSecrets } from './server-settings.js';

export type TroubleKind =
  /** Nothing was done, and a later try may succeed: no connection, too many requests. */
  | 'unavailable'
  /** It may have been done or not: the connection broke, or the server failed, after the request was sent. */
  | 'unclear'
  /** The server understood and refuses; the same request will be refused again. */
  | 'refused'
  /** The request is too large for the server or a proxy before it. */
  | 'too-large'
  /** Not let in: credentials missing or wrong, or the host name not on the server's list. */
  | 'locked-out'
  /** The server has no such endpoint: it is older than it. */
  | 'no-endpoint'
  /** The run or experiment does not exist there. */
  | 'not-found';

export class TrackingError extends Error {
  override readonly name = 'TrackingError';
  constructor(
    message: string,
    readonly kind: TroubleKind,
    readonly more: { remedy?: string; code?: string; retryAfterSeconds?: number } = {},
  ) {
    super(message);
  }

  get remedy(): string | undefined {
    return this.more.remedy;
  }
}

export interface MlflowClient {
  readonly uri: string;
  /**
   * @param how.alone on a connection that is closed afterwards. A process of the server keeps the connections it has taken, so calls that
   * go at the same time on kept ones may all wait for one process while others rest.
   * @throws TrackingError
   */
  call<Request, Response>(
    endpoint: Endpoint<Request, Response>,
    request: Request,
    how?: { alone: boolean },
  ): Promise<Response>;
  /**
   * Stores a file below a run's or model's artifact root.
   * @throws TrackingError; 'no-endpoint' where the server hands artifacts out to another store
   */
  upload(artifactUri: string, path: string, content: Buffer | { file: string }): Promise<void>;
  /** Reads an artifact. @throws TrackingError */
  download(artifactUri: string, path: string): Promise<Buffer>;
  close(): void;
}

/** Servers close connections that rest (uvicorn after five seconds); one that is being closed must not carry a request. */
const restMilliseconds = 3000;

/** @param answered called at every answer, whatever it says */
export function mlflowClient(
  uri: string,
  access: ServerAccess,
  answered: () => void = () => undefined,
): MlflowClient {
  const kept = { keepAlive: true, timeout: restMilliseconds };
  const httpAgent = new HttpAgent(kept);
  const httpsAgent = new HttpsAgent({
    ...kept,
    rejectUnauthorized: access.verify,
    ...(access.ca ? { ca: access.ca } : {}),
    ...(access.certificate ? { cert: access.certificate, key: access.certificate } : {}),
  });
  const { login, token } = access;
  const http: AxiosInstance = axios.create({
    baseURL: uri,
    timeout: access.timeoutSeconds * 1000,
    httpAgent,
    httpsAgent,
    maxBodyLength: Infinity,
    maxContentLength: Infinity,
    maxRedirects: 0,
    validateStatus: () => true,
    headers: {
      'User-Agent': 'cemiflow',
      ...(login
        ? {
            Authorization: `Basic ${Buffer.from(`${login.username}:${login.password.reveal()}`).toString('base64')}`,
          }
        : {}),
      ...(!login && token ? { Authorization: `Bearer ${token.reveal()}` } : {}),
    },
  });

  async function send(request: () => Promise<AxiosResponse>, what: string): Promise<AxiosResponse> {
    let response: AxiosResponse;
    try {
      response = await request();
    } catch (error) {
      throw connectionTrouble(error, uri);
    }
    answered();
    if (response.status >= 200 && response.status < 300) return response;
    throw answerTrouble(response, uri, what, (text) => withoutSecrets(access, text));
  }

  return {
    uri,
    async call<Request, Response>(
      endpoint: Endpoint<Request, Response>,
      request: Request,
      how?: { alone: boolean },
    ) {
      const path = endpoint.path.replace(/\{(\w+)\}/g, (_, name: string) =>
        encodeURIComponent(String((request as Record<string, unknown>)[name])),
      );
      const response = await send(
        () =>
          http.request({
            method: endpoint.method,
            url: `/api/2.0/mlflow/${path}`,
            ...(endpoint.method === 'GET' ? { params: request } : { data: request }),
            ...(how?.alone ? { headers: { Connection: 'close' } } : {}),
          }),
        endpoint.path,
      );
      if (typeof response.data !== 'object' || response.data === null)
        throw new TrackingError(
          `${uri} answers ${endpoint.path} with something else than MLflow does`,
          'refused',
          {
            remedy: noMlflow,
          },
        );
      return response.data as Response;
    },
    async upload(artifactUri, path, content) {
      const url = proxied(artifactUri, path);
      await send(() => {
        const file = 'file' in content ? content.file : undefined;
        return http.put(url, file === undefined ? content : createReadStream(file), {
          headers: {
            'Content-Type': 'application/octet-stream',
            ...(file === undefined ? {} : { 'Content-Length': statSync(file).size }),
          },
        });
      }, 'mlflow-artifacts');
    },
    async download(artifactUri, path) {
      const response = await send(
        () => http.get(proxied(artifactUri, path), { responseType: 'arraybuffer' }),
        'mlflow-artifacts',
      );
      return Buffer.from(response.data as ArrayBuffer);
    },
    close() {
      httpAgent.destroy();
      httpsAgent.destroy();
    },
  };
}

/** Where something answers, but not as a tracking server. */
export const noMlflow = 'Is that the address of an MLflow server?';

/** The address of an artifact behind the server's own store. */
function proxied(artifactUri: string, path: string): string {
  const root = /^mlflow-artifacts:\/*(?:[^/]+:\d+\/)?(.*)$/.exec(artifactUri)?.[1];
  const inServer = /\/api\/2\.0\/mlflow-artifacts\/artifacts\/(.*)$/.exec(artifactUri)?.[1];
  const below = root ?? inServer;
  if (below === undefined) {
    throw new TrackingError(
      `artifacts of this server lie at ${artifactUri.split(':')[0]}:, not behind the server`,
      'no-endpoint',
      { remedy: 'Start it with --serve-artifacts (the default) to have reports and images there, too.' },
    );
  }
  const whole = [...below.split('/'), ...path.split('/')].filter((part) => part !== '');
  return `/api/2.0/mlflow-artifacts/artifacts/${whole.map(encodeURIComponent).join('/')}`;
}

/** Codes after which the request has certainly not been worked on. */
const before = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
]);
const certificate = /CERT|SIGNATURE|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/;
const remedies: Record<string, string> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'It was made for another host name: use the one that is in it.',
  CERT_HAS_EXPIRED: 'It has run out: ask who keeps the server.',
};

/** Only words of ours and the code: an axios error carries the whole request, its credentials included. */
function connectionTrouble(error: unknown, uri: string): TrackingError {
  // Its text may hold the address of the proxy, and so a password.
  if ((error as NodeJS.ErrnoException).code === 'ERR_INVALID_URL')
    return new TrackingError(`the address of the proxy before ${uri} is no URL`, 'unavailable', {
      remedy: 'HTTPS_PROXY looks like http://proxy:3128.',
    });
  if (!isAxiosError(error)) throw error;
  const code = error.code ?? error.cause?.name ?? 'no answer';
  if (certificate.test(code))
    return new TrackingError(`${uri} shows a certificate that is not trusted (${code})`, 'unavailable', {
      code,
      remedy: remedies[code] ?? 'Let MLFLOW_TRACKING_SERVER_CERT_PATH name the PEM file of its authority.',
    });
  if (before.has(code))
    return new TrackingError(`${uri} cannot be reached (${code})`, 'unavailable', { code });
  return new TrackingError(`the connection to ${uri} broke (${code})`, 'unclear', { code });
}

const transient = new Set(['TEMPORARILY_UNAVAILABLE', 'REQUEST_LIMIT_EXCEEDED', 'RESOURCE_EXHAUSTED']);

function answerTrouble(
  response: AxiosResponse,
  uri: string,
  what: string,
  harmless: (text: string) => string,
): TrackingError {
  const { status } = response;
  const body = readBody(response.data);
  const code = typeof body['error_code'] === 'string' ? harmless(body['error_code']) : undefined;
  const message = typeof body['message'] === 'string' ? harmless(body['message']) : '';
  const words = message.split('\n')[0]!.slice(0, 500);
  const said = `${uri} answers ${what} with ${status}${code ? ` ${code}` : ''}${words ? `: ${words}` : ''}`;
  const trouble = (kind: TroubleKind, more: TrackingError['more'] = {}) =>
    new TrackingError(said, kind, { ...(code ? { code } : {}), ...more });
  const seconds = Number(response.headers['retry-after']);
  const later = seconds > 0 ? { retryAfterSeconds: seconds } : {};
  if (status === 429 || (code !== undefined && transient.has(code))) return trouble('unavailable', later);
  if (status === 413) return trouble('too-large');
  if (status === 401)
    return trouble('locked-out', {
      remedy: 'Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.',
    });
  if (status === 407)
    return trouble('locked-out', {
      remedy: 'The proxy asks for a name and a password: HTTPS_PROXY=http://name:password@proxy:3128.',
    });
  if (status === 403)
    return trouble(
      'locked-out',
      words.includes('Invalid Host header') || String(response.data).includes('Invalid Host header')
        ? { remedy: `Start the server with --allowed-hosts that names ${new URL(uri).host}.` }
        : { remedy: 'The account may not write there: ask who keeps the server, or use another experiment.' },
    );
  if (status === 405 || code === 'ENDPOINT_NOT_FOUND') return trouble('no-endpoint');
  if (status === 404) return trouble(code === undefined ? 'no-endpoint' : 'not-found');
  if (status >= 300 && status < 400)
    return trouble('refused', {
      remedy: `It points to ${harmless(String(response.headers['location']))}: is the address right?`,
    });
  if (status >= 500) return trouble('unclear', later);
  return trouble('refused');
}

function readBody(data: unknown): Record<string, unknown> {
  if (Buffer.isBuffer(data) || data instanceof ArrayBuffer) {
    try {
      return readBody(JSON.parse(Buffer.from(data as ArrayBuffer).toString('utf8')));
    } catch {
      return {};
    }
  }
  if (typeof data === 'object' && data !== null) return data as Record<string, unknown>;
  return typeof data === 'string' && !data.includes('<') ? { message: data } : {};
}
