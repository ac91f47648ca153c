import { expect, test } from '@jest/globals';
import { projectRoot } from '../project-root.js';
import { findViolations, sourceFiles } from './import-directions.js';

const check = (path: string, text: string) =>
  findViolations([{ path, text }]).map(({ used, rule }) => `${used}: ${rule}`);

test('the project keeps its arrows', () => {
  expect(findViolations(sourceFiles(projectRoot()))).toEqual([]);
});

test.each([
  ['src/domain/a.ts', `import { b } from './b.js';`],
  ['src/main.ts', `import { api } from './api/grpc.js'; process.env.X;`],
  ['src/postgres/pool.ts', `import pg from 'pg';`],
  [
    'src/ledger/a.ts',
    `// reads process.env\n/* import 'pg' */ import type { Pool } from '../postgres/pool.js';`,
  ],
  ['clients/web/src/a.ts', `import { x } from '../../../src/gen/connect/x_pb.js';`],
  ['src/domain/a.test.ts', `import { test } from '@jest/globals';`],
  ['test/a.test.ts', `import pg from 'pg'; import { x } from '../src/api/grpc.js'; process.env.Y;`],
])('%s may: %s', (path, text) => {
  expect(check(path, text)).toEqual([]);
});

test.each([
  ['src/domain/a.ts', `import { randomUUID } from 'node:crypto';`, 'node:crypto: domain is pure'],
  ['src/domain/a.ts', `export * from '../ledger/b.js';`, 'src/ledger/b.ts: domain is pure'],
  ['src/ledger/a.ts', `import type { X } from '../api/b.js';`, 'src/api/b.ts: only main, api'],
  ['src/postgres/a.ts', `const x = await import('../reads/b.js');`, 'src/reads/b.ts: postgres and redis'],
  ['src/reads/a.ts', `import 'pg';`, 'pg: only src/postgres'],
  ['clients/web/src/a.tsx', `import '../../../src/domain/b.js';`, 'src/domain/b.ts: the page knows'],
  [
    'clients/node/src/a.ts',
    `import '../../../src/gen/grpc/b.js';`,
    "src/gen/grpc/b.ts: the client's package",
  ],
  ['src/ledger/a.ts', `const x = process.env.HOME;`, 'process.env: only main'],
])('%s may not: %s', (path, text, expected) => {
  const found = check(path, text);
  expect(found).toHaveLength(1);
  expect(found[0]).toContain(expected);
});
