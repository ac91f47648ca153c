import { expect, test } from '@jest/globals';
import Fastify from 'fastify';
import { InventoryError } from '../domain/errors.js';
import { sendError } from './rest-error.js';

async function answerTo(error: InventoryError, status?: number) {
  const server = Fastify();
  server.get('/', (_request, reply) => sendError(reply, error, status));
  const answer = await server.inject('/');
  await server.close();
  return answer;
}

test.each([
  ['DATABASE_UNAVAILABLE', 1_200, 503, '2'],
  ['DATABASE_UNAVAILABLE', undefined, 503, '1'],
  ['QUEUE_FULL', 200, 429, '1'],
  ['INSUFFICIENT_STOCK', undefined, 400, undefined],
] as const)('%s, to be tried again after %s ms, is %i with Retry-After %s', async (...expected) => {
  const [reason, retryDelayMs, status, retryAfter] = expected;
  const answer = await answerTo(
    new InventoryError(reason, 'text', retryDelayMs === undefined ? {} : { retryDelayMs }),
  );
  expect(answer.statusCode).toBe(status);
  expect(answer.headers['retry-after']).toBe(retryAfter);
  expect(answer.json()).toMatchObject({ success: false, reason, status, errors: [] });
});

test('a refusal that is given again says so', async () => {
  const refusal = new InventoryError('INSUFFICIENT_STOCK', 'none', { metadata: { replayed: 'true' } });
  expect((await answerTo(refusal)).headers['idempotent-replayed']).toBe('true');
  expect((await answerTo(new InventoryError('INVALID_FIELD', 'x'), 413)).statusCode).toBe(413);
});
