import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Argument, Command, Option } from 'commander';
import { completedCommands } from './completion-model.js';
import { bashScript, fishScript, zshScript } from './completion-scripts.js';

/** A program with every kind of thing that can be completed. */
const program = () => {
  const root = new Command('x').option('--server <host:port>', 'the service');
  const apply = root.command('apply').summary("Applies a file: it's done");
  apply.argument('<file>').option('--ids <file>', 'where').option('--again', 'anew');
  apply.addOption(new Option('--mode <mode>', 'how').choices(['atomic', 'independent']));
  const dev = root.command('dev').summary('Parts');
  dev
    .command('stop')
    .summary('Stops')
    .addArgument(new Argument('<part>').choices(['redis', 'replica']));
  return root;
};
const input = () => ({ commands: completedCommands(program()), name: 'onhand', folder: "/an inventory's" });

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'onhand-completion-'));
  for (const name of ['one.csv', 'two.csv']) writeFileSync(join(folder, name), '');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('bash', () => {
  const bash = (...lines: string[]): string => {
    const { stdout, stderr, status } = spawnSync('bash', ['--norc'], {
      input: [bashScript(input()), ...lines].join('\n'),
      cwd: folder,
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
    return stdout.trim();
  };

  test.each([
    [[''], 'apply dev --server --help'],
    [['d'], 'dev'],
    [['--server', ''], ''],
    [['--server', 'h:1', 'a'], 'apply'],
    [['apply', '--'], '--ids --again --mode --server --help'],
    [['apply', '--mode', ''], 'atomic independent'],
    [['apply', '--mode', 'i'], 'independent'],
    [['apply', 'o'], 'one.csv'],
    [['apply', 'one.csv', '--ids', 't'], 'two.csv'],
    [['dev', ''], 'stop --server --help'],
    [['dev', 'stop', 'r'], 'redis replica'],
  ])('completes %j to %s', (words, offered) => {
    const line = words.map((word) => `'${word}'`).join(' ');
    const ask = `COMP_WORDS=(onhand ${line}); COMP_CWORD=${words.length}; _onhand; echo "\${COMPREPLY[*]}"`;
    expect(bash(ask)).toBe(offered);
  });

  test('knows the word, and runs the program in its folder', () => {
    const npm = `npm() { printf '%s|' "$@"; }`;
    expect(bash(npm, `onhand get 'STORE 1'`)).toBe(`run|-s|--prefix|/an inventory's|onhand|--|get|STORE 1|`);
  });
});

test('zsh and fish are told of every command, option and choice, with what it does', () => {
  const zsh = zshScript(input());
  expect(zsh).toContain(
    `'') offered=('apply:Applies a file: it'\\''s done' 'dev:Parts' '--server:the service'`,
  );
  expect(zsh).toContain(`'apply') offered=('--ids:where' '--again:anew' '--mode:how'`);
  expect(zsh).toContain(`'dev stop') offered=('redis' 'replica'`);
  expect(zsh).toContain(`'dev stop') at='dev stop'`);
  expect(zsh).toContain(`'apply --mode') compadd -- atomic independent; return ;;`);
  expect(zsh).toContain(`'apply --ids') _files; return ;;`);

  const fish = fishScript(input());
  const at = (path: string) => `complete -c onhand -n '__onhand_at "${path}"'`;
  expect(fish).toContain(`${at('')} -a apply -d 'Applies a file: it\\'s done'`);
  expect(fish).toContain(`${at('apply')} -l mode -x -a 'atomic independent' -d 'how'`);
  expect(fish).toContain(`${at('apply')} -l ids -r -F -d 'where'`);
  expect(fish).toContain(`${at('apply')} -l again -d 'anew'`);
  expect(fish).toContain(`${at('apply')} -F\n`);
  expect(fish).toContain(`${at('dev stop')} -a redis\n`);
  expect(fish).toContain(`case 'dev stop'\n        set at 'dev stop'`);
});
