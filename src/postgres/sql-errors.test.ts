import { expect, test } from '@jest/globals';
import { classifyFailure, isTransactionError } from './sql-errors.js';

const serverError = (code: string, more: object = {}) =>
  Object.assign(new Error('text that must not matter'), { code, severity: 'ERROR', ...more });

test.each([
  ['a taken event id', serverError('23505', { constraint: 'event_log_event_id_key' }), 'EVENT_ID_TAKEN'],
  ['another unique key', serverError('23505', { constraint: 'stock_pkey' }), 'OTHER'],
  ['serialization', serverError('40001'), 'TRANSIENT'],
  ['deadlock', serverError('40P01'), 'TRANSIENT'],
  ['a lock not granted', serverError('55P03'), 'LOCK_TIMEOUT'],
  ['a commit that no standby confirmed', Object.assign(new Error('x'), { code: '01000' }), 'TRANSIENT'],
  ['too many connections', serverError('53300'), 'UNAVAILABLE'],
  ['shutdown', serverError('57P01', { severity: 'FATAL' }), 'UNAVAILABLE'],
  ['a read-only server', serverError('25006'), 'UNAVAILABLE'],
  ['a refused connection', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), 'UNAVAILABLE'],
  ['a connection cut without a code', new Error('Connection terminated unexpectedly'), 'UNAVAILABLE'],
  ['a broken check', serverError('23514'), 'OTHER'],
  ['a slip of ours', new TypeError('x is not a function'), 'OTHER'],
  ['no error at all', 'text', 'OTHER'],
] as const)('%s', (_name, error, kind) => {
  expect(classifyFailure(error)).toBe(kind);
});

test('only an ERROR of the server tells that the transaction is gone', () => {
  expect(isTransactionError(serverError('23505'))).toBe(true);
  expect(isTransactionError(serverError('57P01', { severity: 'FATAL' }))).toBe(false);
  expect(isTransactionError(serverError('08P01'))).toBe(false);
  expect(isTransactionError(new Error('Connection terminated unexpectedly'))).toBe(false);
});
