/** Credentials inside addresses: what may be printed, recorded or sent along must not have them. */

/** What an address carries beside itself: a name or password before its host, or a query, which is where tokens are. */
export function credentialsIn(address: string): 'login' | 'query' | undefined {
  if (/^(?:[a-z][\w+.-]*:\/\/)?[^/?#]*@/i.test(address)) return 'login';
  return /[?#]/.test(address) ? 'query' : undefined;
}

const login = /((?:\buri["']?\s*[:=]\s*["']?)?\b\w[\w+.-]*:\/\/|\buri["']?\s*[:=]\s*["']?)([^\s'"]*)@/g;
const query = /(\b\w[\w+.-]*:\/\/[^\s'"?#]*[?#])([^\s'"]+)/g;

/** A text with every address in it made harmless; as long as before, so that columns stay where they are. */
export function hideCredentials(text: string): string {
  return text
    .replace(login, (_, before: string, hidden: string) => `${before}${'*'.repeat(hidden.length)}@`)
    .replace(query, (_, before: string, hidden: string) => `${before}${'*'.repeat(hidden.length)}`);
}
