/** Credentials inside addresses and texts: what may be printed, recorded or sent along must not have them. */

/** What an address carries beside itself: a name or password before its host, or a query, which is where tokens are. */
export function credentialsIn(address: string): 'login' | 'query' | undefined {
  if (/^(?:[a-z][\w+.-]*:\/\/)?[^/?#]*@/i.test(address)) return 'login';
  return /[?#]/.test(address) ? 'query' : undefined;
}

// Repetitions are bounded: the text may be a file of megabytes that was made to be slow to search.
const scheme = String.raw`\b\w[\w+.-]{0,30}:\/\/`;
const setting = String.raw`\buri["']?\s{0,9}[:=]\s{0,9}["']?`;
const login = new RegExp(`((?:${setting})?${scheme}|${setting})([^\\s'"]{0,4096})@`, 'g');
const query = new RegExp(`(${scheme}[^\\s'"?#]{0,4096}[?#])([^\\s'"]+)`, 'g');

/** A text with every address in it made harmless; as long as before, so that columns stay where they are. */
export function hideCredentials(text: string): string {
  return text
    .replace(login, (_, before: string, hidden: string) => `${before}${'*'.repeat(hidden.length)}@`)
    .replace(query, (_, before: string, hidden: string) => `${before}${'*'.repeat(hidden.length)}`);
}

/** Shorter ones are no secret, and would be found in every other line. */
const shortestSecret = 4;

/**
 * Hides the passwords and tokens that an environment holds for the tracking server. Programs of stages have that environment, and may
 * print it.
 */
export function hiderOf(env: Readonly<Record<string, string | undefined>>): (text: string) => string {
  const inAddress = /^https?:\/\/[^/?#@]*:([^/?#]*)@/.exec(env['MLFLOW_TRACKING_URI'] ?? '')?.[1];
  const secrets = [env['MLFLOW_TRACKING_PASSWORD'], env['MLFLOW_TRACKING_TOKEN'], inAddress]
    .flatMap((secret) => (secret === undefined ? [] : [secret, decoded(secret)]))
    .filter((secret) => secret.length >= shortestSecret);
  const different = [...new Set(secrets)].sort((a, b) => b.length - a.length);
  return (text) => withoutThese(different, text);
}

/** A text in which these secrets are hidden, also as they look in an address. */
export function withoutThese(secrets: readonly string[], text: string): string {
  return secrets.reduce(
    (shown, secret) =>
      shown.replaceAll(secret, '[hidden]').replaceAll(encodeURIComponent(secret), '[hidden]'),
    text,
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
