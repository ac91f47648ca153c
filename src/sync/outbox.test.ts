import { expect, test } from '@jest/globals';
import { Outbox } from './outbox.js';

/** Lets everything happen that is due. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Puts in, and tells what was sent, in the order in which its putters were told. */
function putting(outbox: Outbox<string>) {
  const sent: string[] = [];
  return {
    sent,
    put(...items: string[]): void {
      for (const item of items) void outbox.put(item).then(() => sent.push(item));
    },
  };
}

test('an item is sent once the next one is asked for; who put it in may wait for that', async () => {
  const outbox = new Outbox<string>();
  const { sent, put } = putting(outbox);
  put('a', 'b');
  const taken = outbox.taken();
  await turn();
  expect(sent).toEqual([]);
  expect(await taken.next()).toEqual({ value: 'a', done: false });
  await turn();
  expect(sent).toEqual([]);
  expect(await taken.next()).toEqual({ value: 'b', done: false });
  await turn();
  expect(sent).toEqual(['a']);
});

test('who takes waits for what is put in', async () => {
  const outbox = new Outbox<string>();
  const next = outbox.taken().next();
  await turn();
  void outbox.put('a');
  expect(await next).toEqual({ value: 'a', done: false });
});

test('the end comes behind what is in there; what is put in later is dropped, and holds up nobody', async () => {
  const outbox = new Outbox<string>();
  const { sent, put } = putting(outbox);
  put('a');
  outbox.end();
  put('late');
  await turn();
  expect(sent).toEqual(['late']);
  const all: string[] = [];
  for await (const item of outbox.taken()) all.push(item);
  expect(all).toEqual(['a']);
  await turn();
  expect(sent).toEqual(['late', 'a']);
  expect(outbox.ended).toBe(true);
});

test('the first end counts: an error is thrown behind what is in there', async () => {
  const outbox = new Outbox<string>();
  void outbox.put('a');
  outbox.end(new Error('first'));
  outbox.end(new Error('second'));
  outbox.end();
  const taken = outbox.taken();
  expect(await taken.next()).toEqual({ value: 'a', done: false });
  await expect(taken.next()).rejects.toThrow('first');
});

test('an end wakes who waits for an item', async () => {
  const outbox = new Outbox<string>();
  const next = outbox.taken().next();
  await turn();
  outbox.end();
  expect(await next).toEqual({ value: undefined, done: true });
});

test('closed, it keeps nothing, and nobody waits any more', async () => {
  const outbox = new Outbox<string>();
  const { sent, put } = putting(outbox);
  put('a', 'b', 'c');
  outbox.close();
  await turn();
  expect(sent).toEqual(['a', 'b', 'c']);
  expect(await outbox.taken().next()).toEqual({ value: undefined, done: true });
});

test('it holds no more than what those who put in have not been told to be sent', async () => {
  const outbox = new Outbox<number>();
  const taken = outbox.taken();
  let waiting = 0;
  let most = 0;
  const putter = async (limit: number) => {
    for (let item = 0; item < 200; item++) {
      most = Math.max(most, ++waiting);
      await outbox.put(item);
      waiting--;
    }
    return limit;
  };
  const putters = Promise.all([putter(1), putter(2), putter(3)]).then(() => outbox.end());
  let count = 0;
  for await (const _ of taken) {
    count++;
    if (count % 50 === 0) await turn();
  }
  await putters;
  expect(count).toBe(600);
  expect(most).toBe(3);
});
