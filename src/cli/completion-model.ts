import type { Argument, Command, Option } from 'commander';

/** What may stand for a value: one of these words, a file, or what only the person knows. */
export type Value = readonly string[] | 'file' | 'unknown';

export interface CompletedOption {
  /** With its dashes: `--store`. */
  readonly flag: string;
  readonly description: string;
  /** Undefined where it takes none. */
  readonly value: Value | undefined;
}

/** One command, as shells complete it. */
export interface CompletedCommand {
  /** The words that lead to it: empty for the program, `dev stop`. */
  readonly path: string;
  readonly subcommands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly CompletedOption[];
  /** Of its arguments. */
  readonly values: readonly Value[];
}

/** The program and all its commands. Options of the program may also stand behind a command. */
export function completedCommands(program: Command): CompletedCommand[] {
  const shared = program.options.map(completedOption);
  const gather = (command: Command, path: string): CompletedCommand[] => {
    const own = command === program ? [] : command.options.map(completedOption);
    const completed: CompletedCommand = {
      path,
      subcommands: command.commands.map((sub) => ({ name: sub.name(), description: sub.summary() })),
      options: [...own, ...shared, HELP],
      values: command.registeredArguments.map((argument) => completedValue(argument, argument.name())),
    };
    return [completed, ...command.commands.flatMap((sub) => gather(sub, `${path} ${sub.name()}`.trim()))];
  };
  return gather(program, '');
}

const HELP: CompletedOption = { flag: '--help', description: 'show help', value: undefined };

function completedOption(option: Option): CompletedOption {
  const [, value] = /<(.+)>/.exec(option.flags) ?? [];
  return {
    flag: option.long!,
    description: option.description,
    value: value === undefined ? undefined : completedValue(option, value),
  };
}

function completedValue({ argChoices }: Argument | Option, name: string): Value {
  return argChoices ?? (name === 'file' ? 'file' : 'unknown');
}
