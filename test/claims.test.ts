import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { projectRoot } from '../src/project-root.js';

const read = (path: string): string => readFileSync(join(projectRoot(), path), 'utf8');

/** A line of docs/claims.md: its first cell, and the last one, which says what shows the claim. */
interface Claim {
  readonly name: string;
  readonly evidence: string;
}

const claims: readonly Claim[] = read('docs/claims.md')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (claim)? *\|/.test(line))
  .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))
  .map((cells) => ({ name: cells[1] ?? '', evidence: cells.at(-2) ?? '' }));

/** `path`: "title", "title" */
const NAMED_TESTS = /`([^`]+\.(?:test|faults)\.ts)`: ("[^"]*"(?:, "[^"]*")*)/g;

const namedTests = claims.flatMap(({ evidence }) =>
  [...evidence.matchAll(NAMED_TESTS)].flatMap(([, path = '', titles = '']) =>
    [...titles.matchAll(/"([^"]*)"/g)].map(([, title = '']) => ({ path, title })),
  ),
);

const commands = claims.flatMap(({ evidence }) =>
  [...evidence.matchAll(/`npm run ([\w:]+)[^`]*`/g)].map(([, script]) => script),
);

/** What tests are called in `test('…'`, `test.each(…)('…'` and `title: '…'`. */
const TITLES = /(?:\btest\(|\)\(|\btitle:)\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g;
const FILLED_IN = /\$\{[^}]*\}|%[sipj]|\$\w+/;

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** The titles of a test file and of what it imports from its neighbours, as patterns: some have parts filled in. */
function titlesIn(path: string): RegExp[] {
  const source = read(path);
  const neighbours = [...source.matchAll(/from '(\.\/[^']+)\.js'/g)]
    .map(([, name = '']) => join(dirname(path), `${name}.ts`))
    .filter((neighbour) => existsSync(join(projectRoot(), neighbour)));
  return [source, ...neighbours.map(read)]
    .flatMap((text) => [...text.matchAll(TITLES)].map(([, , title = '']) => title))
    .filter((title) => title.replace(FILLED_IN, '') !== '')
    .map((title) => new RegExp(`^${title.split(FILLED_IN).map(escaped).join('.+')}$`));
}

test('there is a line for every promise, and for the claims of every part of the original', () => {
  const promises = claims.map(({ name }) => name).filter((name) => /^P\d$/.test(name));
  expect(promises).toEqual(Array.from({ length: 10 }, (_, index) => `P${index}`));
  expect(claims.length).toBeGreaterThan(50);
});

test('every line names a test or a command, or says that it is not done', () => {
  const empty = claims.filter(
    ({ evidence }) => evidence.match(NAMED_TESTS) === null && !/`npm run |not done/.test(evidence),
  );
  expect(empty).toEqual([]);
});

test('every test that is named exists', () => {
  expect(namedTests.length).toBeGreaterThan(30);
  const missing = namedTests.filter(({ path, title }) => {
    const patterns = existsSync(join(projectRoot(), path)) ? titlesIn(path) : [];
    return !patterns.some((pattern) => pattern.test(title));
  });
  expect(missing).toEqual([]);
});

test('every command that is named exists', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  expect(commands.length).toBeGreaterThan(1);
  expect(commands.filter((name = '') => scripts[name] === undefined)).toEqual([]);
});
