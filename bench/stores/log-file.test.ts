import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LogFile } from './log-file.js';
import type { LogRecord } from './log-records.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'onhand-log-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const acknowledged = (sequence: number): LogRecord => ({ kind: 'acknowledged', sequence });

test('after a crash at any byte the whole records are there, the torn one is not, and it goes on', async () => {
  const path = join(folder, 'whole');
  const { file } = await LogFile.open(path);
  await file.append(acknowledged(1), { kind: 'cursor', cursor: 'ä→x' });
  await file.append(acknowledged(3));
  await file.close();
  const whole = readFileSync(path);
  const ends = [...whole.entries()].filter(([, byte]) => byte === 10).map(([index]) => index + 1);
  expect(ends).toHaveLength(3);
  for (let length = 0; length <= whole.length; length++) {
    const torn = join(folder, `torn-${length}`);
    writeFileSync(torn, whole.subarray(0, length));
    const opened = await LogFile.open(torn);
    expect(opened.records).toHaveLength(ends.filter((end) => end <= length).length);
    await opened.file.append(acknowledged(9));
    await opened.file.close();
    const again = await LogFile.open(torn);
    expect(again.records.at(-1)).toEqual(acknowledged(9));
    expect(again.records).toHaveLength(opened.records.length + 1);
    await again.file.close();
  }
});

test('a line whose bytes were changed ends the file there', async () => {
  const path = join(folder, 'changed');
  const { file } = await LogFile.open(path);
  await file.append(acknowledged(1));
  await file.append(acknowledged(2));
  await file.append(acknowledged(3));
  await file.close();
  const bytes = readFileSync(path);
  const second = bytes.indexOf('\n') + 20;
  bytes[second] = (bytes[second] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  const opened = await LogFile.open(path);
  expect(opened.records).toEqual([acknowledged(1)]);
  await opened.file.close();
});

test('records of several callers keep their order', async () => {
  const path = join(folder, 'many');
  const { file } = await LogFile.open(path);
  const sequences = Array.from({ length: 200 }, (_, index) => index);
  await Promise.all(sequences.map((sequence) => file.append(acknowledged(sequence))));
  await file.close();
  const opened = await LogFile.open(path);
  expect(opened.records).toEqual(sequences.map(acknowledged));
  await opened.file.close();
});
