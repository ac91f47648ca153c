import { Argument } from 'commander';
import { projectRoot } from '../project-root.js';
import type { CommandLine } from './command-line.js';
import { completedCommands } from './completion-model.js';
import { bashScript, fishScript, zshScript } from './completion-scripts.js';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** The word that the shell then knows. */
const NAME = 'onhand';

export function addCompletion(line: CommandLine): void {
  line
    .add({
      name: 'completion',
      does: 'Prints what teaches a shell the word onhand, with completion.',
      more: [
        'Put into ~/.bashrc:  eval "$(npm run -s --prefix FOLDER onhand -- completion bash)"',
        'Into ~/.zshrc:  eval "$(npm run -s --prefix FOLDER onhand -- completion zsh)"',
        'Into ~/.config/fish/config.fish:  npm run -s --prefix FOLDER onhand -- completion fish | source',
        'FOLDER is where Onhand is. From then on, onhand does what npm run -s onhand -- does there, in any folder.',
      ],
      examples: ['completion bash'],
    })
    .addArgument(new Argument('<shell>', 'which one').choices(Object.keys(SCRIPTS)))
    .action((shell: keyof typeof SCRIPTS) => {
      const commands = completedCommands(line.root);
      line.terminal.out.stream.write(SCRIPTS[shell]({ commands, name: NAME, folder: projectRoot() }));
    });
}
