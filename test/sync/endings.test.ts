import { once } from 'node:events';
import { connect, constants } from 'node:http2';
import { afterEach, expect, test } from '@jest/globals';
import { Callers, grpcFrame } from '../../src/api/callers.js';
import { operation, Syncing, sale } from '../../src/api/syncing.js';
import { withConnection } from '../../src/dev/postgres-session.js';
import { BatchMode } from '../../src/gen/grpc/inventory/v1/inventory.js';
import { SyncRequest } from '../../src/gen/grpc/inventory/v1/inventory_service.js';
import { Stage } from '../faults/stage.js';
import { ClosedGate, installGate } from '../gate.js';
import type { ServiceProcess } from '../service-process.js';
import { auditStocks, sumsUp } from '../store-audit.js';
import { until } from '../until.js';

const STORE = 'store-1';

const stage = new Stage();

afterEach(() => stage.clear());

const callersOf = ({ grpcAddress, httpUrl }: ServiceProcess) =>
  stage.keep(new Callers(grpcAddress, httpUrl), async ({ grpc }) => grpc.close());

/** So that nobody loses patience while the gate is closed. */
function patient(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.searchParams.set('options', '-c lock_timeout=8000 -c statement_timeout=9000');
  return url.href;
}

async function putUp(services: number) {
  const { url } = await stage.database();
  await installGate(url);
  const started = await Promise.all(
    Array.from({ length: services }, () => stage.service({ databaseUrl: patient(url) })),
  );
  return { url, services: started, callers: started.map(callersOf) };
}

const sequencesIn = async (databaseUrl: string): Promise<number[]> => {
  const { rows } = await withConnection(databaseUrl, (client) =>
    client.query('SELECT sync_sequence::int AS sequence FROM event_log ORDER BY seq'),
  );
  return rows.map(({ sequence }) => sequence);
};

test('a service that stops acknowledges what it has taken, then hands over', async () => {
  const { url, services, callers } = await putUp(1);
  const stream = await Syncing.open(callers[0]!, STORE);
  await stream.acknowledged(1, [sale(1)]);
  const exit = await ClosedGate.during(url, async (gate) => {
    for (const sequence of [2, 3, 4]) stream.message(sequence, [sale(1)]);
    await gate.untilWaiting(1);
    const stopping = services[0]!.stop();
    const { httpUrl } = services[0]!;
    await until(
      () =>
        fetch(`${httpUrl}/readyz`).then(
          ({ ok }) => !ok,
          () => true,
        ),
      'it does not stop',
    );
    stream.message(5, [sale(1)]);
    await gate.open();
    return await stopping;
  });
  await stream.untilEnd();
  expect(stream.failure).toMatchObject({ code: 'UNAVAILABLE', reason: 'SHUTTING_DOWN' });
  expect(exit).toBe(0);
  expect(stream.acks.map(({ ackedSequence }) => Number(ackedSequence))).toEqual([0, 1, 2, 3, 4]);
  expect(await sequencesIn(url)).toEqual([1, 2, 3, 4]);
});

test('who goes away leaves what was taken whole, and nothing else', async () => {
  const { url, callers } = await putUp(1);
  const stream = await Syncing.open(callers[0]!, STORE);
  const operations = [sale(1), sale(2)];
  await ClosedGate.during(url, async (gate) => {
    stream.message(1, operations);
    await gate.untilWaiting(1);
    await stream.cancel();
    await gate.open();
  });
  // What was on its way is there as a whole or not at all; the store finds out which.
  const again = await Syncing.open(callers[0]!, STORE, { epoch: 1n });
  expect(again.acked).toBe(1n);
  await again.acknowledged(1, operations);
  expect(again.results.map(({ replayed }) => replayed)).toEqual([true, true]);
  await again.finish();
  expect(await sequencesIn(url)).toEqual([1, 1]);
});

test('a service that is killed before COMMIT leaves the log where it stood, and nothing of the message', async () => {
  const { url, services, callers } = await putUp(2);
  const stream = await Syncing.open(callers[0]!, STORE);
  await stream.acknowledged(1, [sale(1)]);
  await ClosedGate.during(url, async (gate) => {
    stream.message(2, [sale(2)]);
    await gate.untilWaiting(1);
    await services[0]!.kill9();
    await gate.endWaiting();
  });
  await stream.untilEnd();
  expect(await sequencesIn(url)).toEqual([1]);
  const again = await Syncing.open(callers[1]!, STORE, { epoch: 1n });
  expect(again.acked).toBe(1n);
  expect(await again.acknowledged(2, [sale(2)])).toMatchObject({ ackedSequence: 2n, replayed: false });
  await again.finish();
  expect(await sequencesIn(url)).toEqual([1, 2]);
});

test('a stream that ends, or breaks, in the middle of a message commits nothing of that message', async () => {
  const { url, services } = await putUp(1);
  for (const [nth, breakOff] of (['half-close', 'cancel'] as const).entries()) {
    const storeId = `store-${nth}`;
    const encode = (fields: Partial<SyncRequest>) =>
      Buffer.from(
        SyncRequest.encode({
          ...{ storeId, epoch: 1n, sequence: 0n, mode: BatchMode.UNSPECIFIED, operations: [] },
          ...{ changeCursor: '', ...fields },
        }).finish(),
      );
    const session = stage.keep(connect(`http://${services[0]!.grpcAddress}`), async (one) => one.destroy());
    const request = session.request({
      ':method': 'POST',
      ':path': '/inventory.v1.InventoryService/Sync',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const answers: Buffer[] = [];
    request.on('data', (chunk: Buffer) => answers.push(chunk));
    request.write(grpcFrame(0, encode({ epoch: 0n })));
    request.write(grpcFrame(0, encode({ sequence: 1n, operations: [sale(1)] })));
    await until(async () => (await sequencesIn(url)).length === nth + 1, 'message 1 is not there');
    const second = grpcFrame(0, encode({ sequence: 2n, operations: [sale(5), sale(6)] }));
    const half = second.subarray(0, second.length - 10);
    if (breakOff === 'half-close') {
      request.end(half);
      await once(request, 'end');
    } else {
      request.write(half);
      await new Promise((resolve) => setImmediate(resolve));
      request.close(constants.NGHTTP2_CANCEL);
      await once(request, 'close');
    }
    const [stock] = await auditStocks(url, storeId);
    expect(stock).toMatchObject({ net: -1, changes: 1 });
    const next = await Syncing.open(callersOf(services[0]!), storeId, { epoch: 1n });
    expect(next.acked).toBe(1n);
    await next.finish();
  }
});

test('a newer stream through another process waits for what is under way, and nothing older comes behind it', async () => {
  const { url, callers } = await putUp(2);
  const older = await Syncing.open(callers[0]!, STORE);
  let newer: Promise<Syncing> | undefined;
  await ClosedGate.during(url, async (gate) => {
    older.message(1, [sale(1)]);
    await gate.untilWaiting(1);
    // What was not taken up with the first one comes behind the hello of the newer stream.
    older.message(2, [sale(2)]);
    newer = Syncing.open(callers[1]!, STORE, { epoch: 1n });
    await gate.untilWaiting(2);
    await gate.open();
  });
  const stream = await newer!;
  await older.untilEnd();
  expect(older.failure).toMatchObject({ reason: 'STREAM_SUPERSEDED' });
  const taken = Number(stream.acked);
  expect(older.acked).toBe(stream.acked);
  expect(await stream.acknowledged(taken + 1, [operation('RESTOCK', 9)])).toMatchObject({ replayed: false });
  await stream.finish();
  expect(await sequencesIn(url)).toEqual(Array.from({ length: taken + 1 }, (_, index) => index + 1));
});

test('a COMMIT whose answer is lost is settled before the next message is acknowledged, and is no replay', async () => {
  const { url } = await stage.database();
  const proxy = await stage.proxy(url);
  const service = await stage.service({ databaseUrl: proxy.url(url) });
  const stream = await Syncing.open(callersOf(service), STORE);
  const CUTS = 6;
  let cuts = 0;
  let next = 0;
  proxy.faults = {
    onAnswer: ({ tags, eventIds }) => {
      if (tags.at(-1) !== 'COMMIT' || eventIds.size === 0 || cuts === CUTS || proxy.counts.commits < next)
        return 'pass';
      next = proxy.counts.commits + 3;
      cuts++;
      return cuts % 2 === 0 ? 'reset' : 'close';
    },
  };
  const messages = 60;
  for (let sequence = 1; sequence <= messages; sequence++)
    await stream.acknowledged(sequence, [sale(1), sale(1, 'Q'), sale(0)]);
  expect(stream.failure).toBeUndefined();
  expect(cuts).toBe(CUTS);
  expect(stream.acks.slice(1).map(({ ackedSequence }) => Number(ackedSequence))).toEqual(
    Array.from({ length: messages }, (_, index) => index + 1),
  );
  expect(stream.acks.filter(({ replayed }) => replayed)).toEqual([]);
  expect(stream.results.filter(({ replayed }) => replayed)).toEqual([]);
  await stream.finish();
  const stocks = await auditStocks(url, STORE);
  expect(stocks.map(({ net }) => net)).toEqual([-messages, -messages]);
  expect(stocks.every(sumsUp)).toBe(true);
  await stage.expectServicesAlive();
});
