import { Writable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { startProgress } from './progress.js';
import { TextChannel } from './terminal.js';

const recorder = (isTTY: boolean) => {
  const written: string[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      written.push(String(chunk));
      done();
    },
  });
  const channel = new TextChannel(Object.assign(stream, { isTTY, columns: 100 }), true);
  return { channel, text: () => written.join('') };
};

test('a job that nobody watches tells each tenth once', () => {
  const { channel, text } = recorder(false);
  const progress = startProgress(channel, 'Counting', 1_234);
  for (let done = 1; done <= 1_234; done++) progress.update(done);
  progress.stop();
  const lines = text().trimEnd().split('\n');
  expect(lines).toHaveLength(10);
  expect(lines[0]).toBe('Counting: 10 % (124 of 1,234)');
  expect(lines[9]).toBe('Counting: 100 % (1,234 of 1,234)');
});

test('a small job skips the tenths that it never stands at', () => {
  const { channel, text } = recorder(false);
  const progress = startProgress(channel, 'Counting', 2);
  progress.update(1);
  progress.update(2);
  expect(text()).toBe('Counting: 50 % (1 of 2)\nCounting: 100 % (2 of 2)\n');
});

test('a terminal gets a bar, which ends with the job', () => {
  const { channel, text } = recorder(true);
  const progress = startProgress(channel, 'Counting', 2_000);
  progress.update(2_000);
  progress.stop();
  expect(text()).toContain('Counting ████');
  expect(text()).toContain('100 %  2,000 of 2,000');
});
