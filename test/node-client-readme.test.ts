import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../src/dev/test-database.js';
import { projectRoot } from '../src/project-root.js';
import { type ServiceProcess, startService } from './service-process.js';

/** Runs what README of the client shows, block by block, against a real service. */
const client = join(projectRoot(), 'clients', 'node');
const README_ADDRESS = '127.0.0.1:50051';

let database: TestDatabase;
let service: ServiceProcess;
let folder: string;

beforeAll(async () => {
  database = await createTestDatabase();
  service = await startService({ databaseUrl: database.url });
  // Inside the package, so that it finds itself by its name.
  folder = mkdtempSync(join(client, 'dist-examples-'));
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await service?.stop();
  await database?.drop();
});

const run = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, args, { cwd: projectRoot() })).stdout;

const readme = readFileSync(join(client, 'README.md'), 'utf8');
const [connecting = '', ...blocks] = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(
  ([, code = '']) => code,
);

/** What a block says that it prints: the comment behind a console.log, or the lines of comments below it. */
function promised(code: string): string[] {
  const printed: string[] = [];
  let follows = false;
  for (const line of code.split('\n')) {
    const [, comment] = /\/\/ (.*)$/.exec(line) ?? [];
    const prints = line.includes('console.log(');
    if (comment !== undefined && (prints || (follows && /^\s*\/\//.test(line)))) printed.push(comment);
    follows = (prints && comment === undefined) || (follows && /^\s*\/\//.test(line));
  }
  return printed;
}

test('what is published is compiled code, its types and README', async () => {
  const npm = process.env.npm_execpath?.endsWith('npm-cli.js')
    ? [process.execPath, process.env.npm_execpath]
    : ['npm'];
  const { stdout } = await promisify(execFile)(npm[0]!, [...npm.slice(1), 'pack', '--dry-run', '--json'], {
    cwd: client,
  });
  const [packed] = JSON.parse(stdout) as { files: { path: string }[] }[];
  const paths = packed!.files.map(({ path }) => path);
  const expected = [
    'README.md',
    'package.json',
    'dist/index.js',
    'dist/index.d.ts',
    'dist/gen/inventory/v1/inventory.js',
  ];
  expect(paths).toEqual(expect.arrayContaining(expected));
  expect(
    paths.filter((path) => !/^(README\.md|package\.json|dist\/.*\.(js|d\.ts|js\.map))$/.test(path)),
  ).toEqual([]);
});

test('every example of README compiles under strict types, runs, and prints what it says', async () => {
  expect(blocks.length).toBeGreaterThanOrEqual(7);
  const files = blocks.map((code, index) => {
    const file = join(folder, `example-${index}.ts`);
    const whole = `${connecting}${code}\nonhand.close();\n`;
    writeFileSync(file, whole.replaceAll(README_ADDRESS, service.grpcAddress));
    return file;
  });
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--skipLibCheck'];
  const target = ['--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--ignoreConfig'];
  await run('node_modules/typescript/bin/tsc', ...strict, ...target, ...files);
  for (const [index, file] of files.entries()) {
    const output = await run(file.replace(/\.ts$/, '.js'));
    expect({ index, printed: output.trimEnd().split('\n') }).toEqual({
      index,
      printed: promised(blocks[index]!).length === 0 ? [''] : promised(blocks[index]!),
    });
  }
});
