import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { openApiDocument } from '../api/openapi.js';
import { projectRoot } from '../project-root.js';
import { findViolations, sourceFiles } from './import-directions.js';
import { bold, messageOf, say } from './terminal.js';

interface Step {
  readonly title: string;
  /** @returns what is wrong, or undefined. */
  readonly run: () => string | undefined | Promise<string | undefined>;
}

const root = projectRoot();

const steps: readonly Step[] = [
  { title: 'generated code is up to date', run: checkGenerated },
  {
    title: 'format and lint (npx biome check --write)',
    run: tool('biome', 'ci', `--colors=${process.stdout.isTTY ? 'force' : 'off'}`),
  },
  { title: "types of the client's package", run: tool('tsc', '--project', 'clients/node', '--noEmit') },
  { title: 'types', run: tool('tsc', '--noEmit') },
  { title: 'types of the web page', run: tool('tsc', '--project', 'clients/web') },
  { title: 'proto lint', run: tool('buf', 'lint') },
  { title: 'proto format (npx buf format -w)', run: tool('buf', 'format', '--diff', '--exit-code') },
  {
    title: 'proto breaking changes against proto/baseline.binpb',
    run: tool('buf', 'breaking', '--against', 'proto/baseline.binpb'),
  },
  { title: 'docs/openapi.json is up to date', run: checkOpenApi },
  { title: 'import directions', run: checkImports },
];

/** Runs a program of node_modules; its output is the problem when it fails. */
function tool(name: string, ...args: string[]): () => string | undefined {
  return () => {
    const bin = join(root, 'node_modules', '.bin');
    const result = spawnSync(join(bin, name), args, {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
    });
    if (result.error) return messageOf(result.error);
    return result.status === 0 ? undefined : `${result.stdout}${result.stderr}`.trim();
  };
}

/** Generates anew and compares, so that it judges the working tree, whatever of it is committed. */
function checkGenerated(): string | undefined {
  const hashes = () => new Map([...hashesOf('src/gen'), ...hashesOf('clients/node/src/gen')]);
  const before = hashes();
  const problem =
    tool('buf', 'generate')() ??
    tool('buf', 'generate', '--template', 'clients/node/buf.gen.yaml')() ??
    tool('buf', 'build', '-o', 'src/gen/descriptor-set.binpb')();
  if (problem !== undefined) return problem;
  const after = hashes();
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
    (path) => before.get(path) !== after.get(path),
  );
  if (changed.length === 0) return undefined;
  return `These files were not what proto/ says, and are now; commit them:\n${changed.map((path) => `  ${path}`).join('\n')}`;
}

function hashesOf(folder: string): Map<string, string> {
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return new Map(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(root.length + 1), createHash('sha256').update(readFileSync(path)).digest('hex')];
    }),
  );
}

/** Makes the document of the routes and compares, like the generated code. */
async function checkOpenApi(): Promise<string | undefined> {
  const file = join(root, 'docs', 'openapi.json');
  const made = `${JSON.stringify(await openApiDocument(), null, 2)}\n`;
  if (made === readFileSync(file, { encoding: 'utf8', flag: 'a+' })) return undefined;
  writeFileSync(file, made);
  return 'docs/openapi.json was not what the routes say, and is now; commit it.';
}

function checkImports(): string | undefined {
  const violations = findViolations(sourceFiles(root));
  if (violations.length === 0) return undefined;
  return violations.map(({ path, used, rule }) => `${path} uses ${used}: ${rule}`).join('\n');
}

const failed: string[] = [];
for (const { title, run } of steps) {
  const problem = await run();
  say(`${problem === undefined ? 'ok    ' : bold('FAILED')} ${title}`);
  if (problem === undefined) continue;
  say(problem.replace(/^/gm, '       '));
  failed.push(title);
}
say(
  failed.length === 0
    ? `All ${steps.length} checks passed.`
    : `${failed.length} of ${steps.length} checks failed: ${failed.join('; ')}.`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
