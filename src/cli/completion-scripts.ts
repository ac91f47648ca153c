import type { CompletedCommand, CompletedOption, Value } from './completion-model.js';

/**
 * The scripts that teach a shell to complete the command. Each finds out which of our commands the line is at, and offers
 * what may come next. Where there is no program of that name, the script makes a function that runs it.
 */
export interface ScriptInput {
  readonly commands: readonly CompletedCommand[];
  /** What the shell calls. */
  readonly name: string;
  /** The folder of the project. */
  readonly folder: string;
}

/** In single quotes, for all three shells. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

const runner = ({ folder }: ScriptInput): string => `npm run -s --prefix ${quoted(folder)} onhand --`;

/** One branch for each step from a command to one below it; `take` makes the shell's assignment. */
const steps = (
  commands: readonly CompletedCommand[],
  take: (from: string, path: string) => string,
): string[] =>
  commands
    .filter(({ path }) => path !== '')
    .map(({ path }) => {
      const words = path.split(' ');
      return take(`${words.slice(0, -1).join(' ')} ${words.at(-1)}`, path);
    });

/** The branches for what follows an option that takes a value; `offer` makes what the shell does there. */
function afterOptions(commands: readonly CompletedCommand[], offer: (value: Value) => string): string {
  const places = new Map<string, string[]>();
  for (const { path, options } of commands) {
    for (const { flag, value } of options) {
      if (value === undefined) continue;
      const offered = offer(value);
      places.set(offered, [...(places.get(offered) ?? []), quoted(`${path} ${flag}`)]);
    }
  }
  return [...places].map(([offered, where]) => `    ${where.join('|')}) ${offered} ;;`).join('\n');
}

const isWords = (value: Value): value is readonly string[] => Array.isArray(value);
const argumentWords = ({ values }: CompletedCommand): string[] => values.filter(isWords).flat();
const takesFile = ({ values }: CompletedCommand): boolean => values.includes('file');

export function bashScript(input: ScriptInput): string {
  const { commands, name } = input;
  const list = (words: readonly string[]) => `$'${words.join('\\n')}'`;
  const offer = (value: Value) =>
    isWords(value) ? `words=${list(value)}` : value === 'file' ? 'files=yes' : 'return';
  const atCommand = commands.map((command) => {
    const { path, subcommands, options } = command;
    const names = [...subcommands, ...argumentWords(command).map((each) => ({ name: each }))].map(
      (each) => each.name,
    );
    const words = list([...names, ...options.map(({ flag }) => flag)]);
    return `      ${quoted(path)}) words=${words}${takesFile(command) ? '; files=yes' : ''} ;;`;
  });
  return `type ${name} >/dev/null 2>&1 || ${name}() { ${runner(input)} "$@"; }
_${name}() {
  local IFS=$'\\n' at='' word words='' files=''
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at $word" in
${steps(commands, (from, path) => `      ${quoted(from)}) at=${quoted(path)} ;;`).join('\n')}
    esac
  done
  case "$at $previous" in
${afterOptions(commands, offer)}
    *) case "$at" in
${atCommand.join('\n')}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ -n "$files" ]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY+=($(compgen -f -- "$current"))
  fi
}
complete -F _${name} ${name}
`;
}

export function zshScript(input: ScriptInput): string {
  const { commands, name } = input;
  const described = (word: string, description: string) =>
    quoted(description === '' ? word : `${word.replaceAll(':', '\\:')}:${description}`);
  const offer = (value: Value) =>
    `${isWords(value) ? `compadd -- ${value.join(' ')}` : value === 'file' ? '_files' : ':'}; return`;
  const atCommand = commands.map((command) => {
    const offered = [
      ...command.subcommands.map((sub) => described(sub.name, sub.description)),
      ...argumentWords(command).map((word) => described(word, '')),
      ...command.options.map(({ flag, description }) => described(flag, description)),
    ];
    const files = takesFile(command) ? '; _files' : '';
    return `    ${quoted(command.path)}) offered=(${offered.join(' ')})${files} ;;`;
  });
  return `#compdef ${name}
whence ${name} >/dev/null || ${name}() { ${runner(input)} "$@"; }
_${name}() {
  local at='' word
  local -a offered
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at $word" in
${steps(commands, (from, path) => `      ${quoted(from)}) at=${quoted(path)} ;;`).join('\n')}
    esac
  done
  case "$at \${words[CURRENT-1]}" in
${afterOptions(commands, offer)}
  esac
  case "$at" in
${atCommand.join('\n')}
  esac
  _describe ${name} offered
}
whence compdef >/dev/null || { autoload -Uz compinit && compinit; }
compdef _${name} ${name}
`;
}

export function fishScript(input: ScriptInput): string {
  const { commands, name } = input;
  const at = (path: string) => `complete -c ${name} -n '__${name}_at "${path}"'`;
  const option = (path: string, { flag, description, value }: CompletedOption) => {
    const given =
      value === undefined
        ? ''
        : isWords(value)
          ? ` -x -a ${quoted(value.join(' '))}`
          : value === 'file'
            ? ' -r -F'
            : ' -x';
    return `${at(path)} -l ${flag.slice(2)}${given} -d ${fishQuoted(description)}`;
  };
  const lines = commands.flatMap((command) => [
    ...command.subcommands.map(
      (sub) => `${at(command.path)} -a ${sub.name} -d ${fishQuoted(sub.description)}`,
    ),
    ...argumentWords(command).map((word) => `${at(command.path)} -a ${word}`),
    ...(takesFile(command) ? [`${at(command.path)} -F`] : []),
    ...command.options.map((each) => option(command.path, each)),
  ]);
  return `type -q ${name}; or function ${name}
  npm run -s --prefix ${fishQuoted(input.folder)} onhand -- $argv
end
function __${name}_at
  set -l at ''
  for word in (commandline -opc)[2..-1]
    switch "$at $word"
${steps(commands, (from, path) => `      case ${quoted(from)}\n        set at ${quoted(path)}`).join('\n')}
    end
  end
  test "$at" = "$argv"
end
complete -c ${name} -f
${lines.join('\n')}
`;
}

/** fish knows no '\\'' : inside its single quotes a backslash stands before a quote. */
const fishQuoted = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;
