import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

export interface SourceFile {
  /** From the project's folder, with slashes: src/domain/decide.ts. */
  readonly path: string;
  readonly text: string;
}

/** A line that breaks a rule of the arrows. */
export interface Violation {
  readonly path: string;
  /** What is imported, or `process.env`. */
  readonly used: string;
  readonly rule: string;
}

interface Rule {
  readonly rule: string;
  /** Whether this file may not use that (an import as written, or resolved to src/... where it is relative). */
  readonly breaks: (path: string, used: string) => boolean;
}

const isTest = (path: string) => /^(test|bench)\/|\.(test|faults)\.ts$/.test(path);
const isIn = (path: string, ...folders: string[]) =>
  folders.some((folder) => path.startsWith(`src/${folder}/`));

const rules: readonly Rule[] = [
  {
    rule: 'domain is pure: it imports nothing but domain',
    breaks: (path, used) =>
      isIn(path, 'domain') && !isTest(path) && !isIn(used, 'domain') && used !== 'process.env',
  },
  {
    rule: 'only main, api, cli, dev and tests import api',
    breaks: (path, used) =>
      isIn(used, 'api') && !isIn(path, 'api', 'cli', 'dev') && path !== 'src/main.ts' && !isTest(path),
  },
  {
    rule: 'the page knows the service by its generated contract only',
    breaks: (path, used) => path.startsWith('clients/web/') && used.startsWith('src/') && !isIn(used, 'gen'),
  },
  {
    rule: "the client's package stands alone, so that it can be published",
    breaks: (path, used) =>
      path.startsWith('clients/node/') && !isTest(path) && /^(src|test|bench)\//.test(used),
  },
  {
    rule: 'postgres and redis import nothing of those that use them (api, ledger, reads, feed, sync)',
    breaks: (path, used) =>
      isIn(path, 'postgres', 'redis') &&
      !isTest(path) &&
      isIn(used, 'api', 'ledger', 'reads', 'feed', 'sync'),
  },
  {
    rule: 'only src/postgres talks to PostgreSQL (pg); dev and tests may',
    breaks: (path, used) => used === 'pg' && !isIn(path, 'postgres', 'dev') && !isTest(path),
  },
  {
    rule: 'only main, dev and cli read the environment; others get a Config',
    breaks: (path, used) =>
      used === 'process.env' && path !== 'src/main.ts' && !isIn(path, 'dev', 'cli', 'gen') && !isTest(path),
  },
];

/** All uses that break a rule, in the order of the files. */
export function findViolations(files: readonly SourceFile[]): Violation[] {
  return files.flatMap(({ path, text }) =>
    usesOf(path, text).flatMap((used) =>
      rules.filter((each) => each.breaks(path, used)).map(({ rule }) => ({ path, used, rule })),
    ),
  );
}

/** What a file imports or exports from, loads with import(), or reads: relative paths as src/... */
function usesOf(path: string, text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const imported = [...code.matchAll(/(?:\bfrom\s+|\bimport\s+|\bimport\()'([^']+)'/g)].flatMap(
    (match) => match[1] ?? [],
  );
  const uses = imported.map((specifier) =>
    specifier.startsWith('.') ? normalize(join(dirname(path), specifier)).replace(/\.js$/, '.ts') : specifier,
  );
  return /\bprocess\.env\b/.test(code) ? [...uses, 'process.env'] : uses;
}

/** Every TypeScript file of ours, generated code apart. */
export function sourceFiles(root: string): SourceFile[] {
  return ['src', 'test', 'bench', 'clients/node/src', 'clients/web/src'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.tsx?$/.test(name))
      .map((name) => join(folder, name).replaceAll('\\', '/'))
      .filter((path) => !/^(src|clients\/node\/src)\/gen\//.test(path))
      .sort()
      .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') })),
  );
}
