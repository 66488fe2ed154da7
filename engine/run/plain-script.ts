/**
 * Whether a script means the same in a fork of a running bash as in a bash of its own, to the letter: then the second need not be started.
 * It does where it only runs programs, with words that nothing is put into. What is not surely so is not plain: `$$` and other
 * variables, builtins (exec, trap, wait, set ...), keywords, globs, jobs in the background, comments.
 */

/** Of bash 5.3; harmless ones left out: echo, printf, test, [, true, false. Reserved words, too. */
const shellWords = new Set(
  `. : alias bg bind break builtin caller cd command compgen complete compopt continue declare dirs disown enable eval exec exit
  export fc fg getopts hash help history jobs kill let local logout mapfile popd pushd pwd read readarray readonly return set shift shopt
  source suspend times trap type typeset ulimit umask unalias unset wait
  if then elif else fi for while until do done case esac in select function time coproc`.split(/\s+/),
);

const blank = /(?:[ \t]|\\\n)+/y;
/** Literal letters, and quotes in which bash changes nothing. */
const word = /(?:[\w./,:@%+=-]|'[^']*'|"[^"$`\\!]*")+/y;
const redirection = /(?:2>&1|1>&2|>&2|[12]?>>?|<)(?!&)/y;
const separator = /(?:\|\||&&|\||;|\n[ \t\n]*)(?![&|;])/y;

export function isPlain(script: string): boolean {
  const text = script.trim();
  let at = 0;
  const took = (token: RegExp): string | undefined => {
    token.lastIndex = at;
    const found = token.exec(text)?.[0];
    if (found !== undefined) at = token.lastIndex;
    return found;
  };
  const blanks = () => took(blank);
  do {
    blanks();
    let words = 0;
    for (;;) {
      const next = took(redirection);
      if (next !== undefined) {
        blanks();
        if (!next.includes('&') && took(word) === undefined) return false;
      } else {
        const bare = took(word)?.replace(/['"]/g, '');
        if (bare === undefined) break;
        if (shellWords.has(bare) || /^(?:%|\w+\+?=)/.test(bare)) return false;
        words += 1;
      }
      blanks();
    }
    if (words === 0) return false;
  } while (took(separator) !== undefined);
  return at === text.length;
}
