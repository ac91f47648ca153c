import { expect, test } from '@jest/globals';
import { Counter, Histogram, Registry } from 'prom-client';
import { FastCounter, FastHistogram } from './request-series.js';

const BOUNDS = [0.001, 0.01, 0.1];
const LABELS = [
  { method: 'Get', transport: 'rest' },
  { method: 'Sell', transport: 'grpc' },
];
const series = { name: 'x_seconds', help: 'What "it" is\nabout', labelNames: ['method', 'transport'] };

const linesOf = async (registry: Registry) =>
  (await registry.metrics())
    .split('\n')
    .map((line) => line.replace(/\{.*\}/, (labels) => labels.slice(1, -1).split(',').sort().join()))
    .sort();

test('the histogram tells what that of prom-client does', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const fast = new FastHistogram(series, BOUNDS, ours);
  const usual = new Histogram({ ...series, buckets: BOUNDS, registers: [theirs] });
  for (const labels of LABELS) {
    const observe = fast.child(labels);
    for (const value of [0, 0.001, 0.0011, 0.01, 0.05, 0.1, 7]) {
      observe(value);
      usual.observe(labels, value);
    }
  }
  expect(await linesOf(ours)).toEqual(await linesOf(theirs));
  expect(await linesOf(ours)).toContain('x_seconds_bucketle="+Inf",method="Get",transport="rest" 7');
});

test('the counter tells what that of prom-client does, at every scrape', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const fast = new FastCounter(series, ours);
  const usual = new Counter({ ...series, registers: [theirs] });
  const count = LABELS.map((labels) => fast.child(labels));
  for (const index of [0, 1, 1]) {
    count[index]!();
    usual.inc(LABELS[index]!);
    expect((await linesOf(ours)).filter((line) => !line.endsWith(' 0'))).toEqual(await linesOf(theirs));
  }
});
