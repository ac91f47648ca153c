import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { CompiledFile, decodeMappings } from './line-coverage.js';

test('mappings are decoded as differences', () => {
  // Two generated lines: the first from source line 0, the second from source line 3 at column 2, and 18 lines above that.
  expect(decodeMappings('AAAA;EAGA')).toEqual([
    { line: 0, column: 0, sourceLine: 0 },
    { line: 1, column: 2, sourceLine: 3 },
  ]);
  expect(decodeMappings('AAkBA,CAlBA')).toEqual([
    { line: 0, column: 0, sourceLine: 18 },
    { line: 0, column: 1, sourceLine: 0 },
  ]);
});

test('an inner range that did not run hides its lines, and nothing else', () => {
  const folder = mkdtempSync(join(tmpdir(), 'onhand-coverage-'));
  const path = join(folder, 'x.js');
  try {
    writeFileSync(path, 'a();\nif (b) {\n  c();\n}\nd();\n');
    writeFileSync(`${path}.map`, JSON.stringify({ mappings: 'AAAA;AACA;EACA;AACA;AACA' }));
    const file = new CompiledFile(path);
    expect([...file.codeLines()]).toEqual([1, 2, 3, 4, 5]);
    const ranges = [
      { startOffset: 0, endOffset: 28, count: 1 },
      { startOffset: 12, endOffset: 21, count: 0 },
    ];
    expect([...file.linesThatRan({ url: '', functions: [{ ranges }] })]).toEqual([1, 2, 4, 5]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
