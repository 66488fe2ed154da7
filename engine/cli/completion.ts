/** `cemiflow completion`: what makes a shell complete verbs, flags, stages and runs. And the verb that its script asks. */
import { realpathSync } from 'node:fs';
import { Argument, type Command } from 'commander';
import { completionScript, type Shell, shells } from './completion/scripts.js';
import { quoted } from './invocation.js';

const install = `
Into this shell's start-up file:
  bash  ~/.bashrc   eval "$(cemiflow completion bash)"
  zsh   ~/.zshrc    eval "$(cemiflow completion zsh)"      (after compinit)
  fish  cemiflow completion fish > ~/.config/fish/completions/cemiflow.fish`;

export function completionVerb(program: Command): Command {
  program
    .command('__complete [words...]', { hidden: true })
    .action(async (words: string[], _: unknown, command: Command) => {
      const { complete } = await import('./completion/candidates.js');
      const { candidates, files, open } = await complete(command.parent!, words.length > 0 ? words : ['']);
      const lines = candidates.map(({ text, description }) => `${text}\t${oneLine(description ?? '')}`);
      process.stdout.write(`${[`${files}${open ? ' open' : ''}`, ...lines].join('\n')}\n`);
    });
  return program
    .command('completion')
    .description('print the script that makes a shell complete verbs, flags, stages and runs')
    .addArgument(new Argument('<shell>', 'which one').choices(shells))
    .addHelpText('after', install)
    .action((shell: Shell) => {
      // By its place, not its name: in a clone nothing called cemiflow is in PATH.
      process.stdout.write(completionScript(shell, `node ${quoted(realpathSync(process.argv[1]!))}`));
    });
}

const oneLine = (text: string) => text.replace(/\s+/g, ' ').trim();
