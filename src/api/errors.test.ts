import { Code } from '@connectrpc/connect';
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ERROR_REASONS, InventoryError } from '../domain/errors.js';
import { BadRequest, ErrorInfo, RetryInfo, Status } from '../gen/grpc/google/rpc/error_details.js';
import { ErrorReason } from '../gen/grpc/inventory/v1/error_reason.js';
import { STATUS_DETAILS_KEY, toConnectError, toGrpcError } from './error-details.js';
import { ERROR_TABLE, invalidFields, toInventoryError, wireMessage } from './errors.js';

describe('the error table', () => {
  test('has every reason of the contract and no other', () => {
    const contract = Object.keys(ErrorReason).filter(
      (name) => Number.isNaN(Number(name)) && !['UNSPECIFIED', 'UNRECOGNIZED'].includes(name),
    );
    expect(Object.keys(ERROR_TABLE).sort()).toEqual(contract.sort());
    expect([...ERROR_REASONS].sort()).toEqual(contract.sort());
  });

  test.each(ERROR_REASONS)(
    '%s has the same code over gRPC and Connect, and an HTTP status of an error',
    (reason) => {
      const error = new InventoryError(reason, 'text');
      const { code, httpStatus } = ERROR_TABLE[reason];
      expect(toGrpcError(error).code).toBe(status[code]);
      expect(toConnectError(error).code as number).toBe(status[code]);
      expect(Code[toConnectError(error).code]).toBeDefined();
      expect(httpStatus).toBeGreaterThanOrEqual(400);
    },
  );
});

describe('what leaves the process', () => {
  test('has nothing of an unexpected error in it, but keeps it for the log', () => {
    const cause = new Error('password=hunter2 at 10.0.0.1');
    for (const thrown of [
      cause,
      new InventoryError('INTERNAL', cause.message, { cause }),
      'text',
      undefined,
    ]) {
      const error = toInventoryError(thrown);
      expect(error).toMatchObject({ reason: 'INTERNAL', message: 'Internal error' });
      expect(toGrpcError(error).metadata.get(STATUS_DETAILS_KEY).toString()).not.toContain('hunter2');
    }
    expect(toInventoryError(cause).cause).toBe(cause);
  });

  test('carries ErrorInfo, BadRequest and RetryInfo', () => {
    const error = new InventoryError('QUEUE_FULL', 'full', {
      metadata: { event_id: 'x' },
      violations: [{ field: 'quantity', description: 'Quantity is required' }],
      retryDelayMs: 1_250,
    });
    const bytes = toGrpcError(error).metadata.get(STATUS_DETAILS_KEY)[0] as Buffer;
    const { code, message, details } = Status.decode(bytes);
    expect({ code, message }).toEqual({ code: status.RESOURCE_EXHAUSTED, message: 'full' });
    const [info, badRequest, retry] = details.map((detail) => detail.value);
    expect(ErrorInfo.decode(info!)).toEqual({
      reason: 'QUEUE_FULL',
      domain: 'inventory.onhand.dev',
      metadata: { event_id: 'x' },
    });
    expect(BadRequest.decode(badRequest!).fieldViolations).toEqual(error.violations);
    expect(RetryInfo.decode(retry!).retryDelay).toEqual({ seconds: 1n, nanos: 250_000_000 });
    expect(toConnectError(error).details).toHaveLength(3);
  });

  test('is a message that any transport can carry, whatever is in it', () => {
    const text = fc.string({ unit: 'binary', maxLength: 3_000 });
    const withHalves = fc.array(fc.oneof(text, fc.constant('\ud800')), { maxLength: 4 });
    fc.assert(
      fc.property(withHalves, (parts) => {
        const message = wireMessage(new InventoryError('INTERNAL', parts.join('')));
        encodeURI(message);
        expect(Buffer.byteLength(message)).toBeLessThanOrEqual(1024);
      }),
    );
    expect(wireMessage(new InventoryError('INTERNAL', 'short'))).toBe('short');
    const long = wireMessage(new InventoryError('INTERNAL', `x${'\u{1F600}'.repeat(300)}`));
    expect(long).toMatch(/^x\u{1F600}{255}…$/u);
  });

  test('names three wrong fields in its message and counts the others', () => {
    const violations = ['a', 'b', 'c', 'd'].map((field) => ({ field, description: `${field} is wrong` }));
    expect(invalidFields(violations.slice(0, 1)).message).toBe('a is wrong');
    expect(invalidFields(violations, 9).message).toBe('a is wrong; b is wrong; c is wrong; and 6 more');
  });
});
