/** Credentials inside addresses: what may be printed, recorded or sent along must not have them. */

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
