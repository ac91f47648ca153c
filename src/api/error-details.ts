import { create, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import type { ServiceError } from '@grpc/grpc-js';
import { Metadata, status } from '@grpc/grpc-js';
import type { InventoryError } from '../domain/errors.js';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from '../gen/connect/google/rpc/error_details_pb.js';
import type { Any } from '../gen/grpc/google/protobuf/any.js';
import { BadRequest, ErrorInfo, RetryInfo, Status } from '../gen/grpc/google/rpc/error_details.js';
import { ERROR_DOMAIN, ERROR_TABLE, wireMessage } from './errors.js';

/** The trailer that carries a google.rpc.Status. */
export const STATUS_DETAILS_KEY = 'grpc-status-details-bin';

/** The error as native gRPC sends it: code, message, and google.rpc.Status in the trailers. */
export function toGrpcError(error: InventoryError): Pick<ServiceError, 'code' | 'details' | 'metadata'> {
  const metadata = new Metadata();
  metadata.set(STATUS_DETAILS_KEY, statusBytes(error));
  return { code: status[ERROR_TABLE[error.reason].code], details: wireMessage(error), metadata };
}

/** A serialized google.rpc.Status with ErrorInfo, and BadRequest or RetryInfo where there is something to say. */
export function statusBytes(error: InventoryError): Buffer {
  const details: Any[] = [
    any('google.rpc.ErrorInfo', ErrorInfo.encode(errorInfo(error)).finish()),
    ...(error.violations.length > 0
      ? [any('google.rpc.BadRequest', BadRequest.encode(badRequest(error)).finish())]
      : []),
    ...(error.retryDelayMs !== undefined
      ? [any('google.rpc.RetryInfo', RetryInfo.encode(retryInfo(error.retryDelayMs)).finish())]
      : []),
  ];
  const code = status[ERROR_TABLE[error.reason].code];
  return Buffer.from(Status.encode({ code, message: wireMessage(error), details }).finish());
}

/** The error as Connect and gRPC-Web send it, with the same details. Codes have the same numbers in both. */
export function toConnectError(error: InventoryError): ConnectError {
  const code: Code = Code[connectCodeName(error)];
  return new ConnectError(
    wireMessage(error),
    code,
    undefined,
    [
      { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, errorInfo(error)) },
      ...(error.violations.length > 0
        ? [{ desc: BadRequestSchema, value: create(BadRequestSchema, badRequest(error)) }]
        : []),
      ...(error.retryDelayMs !== undefined
        ? [{ desc: RetryInfoSchema, value: create(RetryInfoSchema, retryInfo(error.retryDelayMs)) }]
        : []),
    ],
    error,
  );
}

/** The one detail that every error has, as it stands in the JSON of a Connect error. */
export function errorInfoAsConnectJson(error: InventoryError): {
  type: string;
  value: string;
  debug: object;
} {
  const info = errorInfo(error);
  const bytes = toBinary(ErrorInfoSchema, create(ErrorInfoSchema, info));
  return {
    type: 'google.rpc.ErrorInfo',
    value: Buffer.from(bytes).toString('base64').replace(/=+$/, ''),
    debug: info,
  };
}

function errorInfo(error: InventoryError): ErrorInfo {
  return { reason: error.reason, domain: ERROR_DOMAIN, metadata: { ...error.metadata } };
}

function badRequest(error: InventoryError): BadRequest {
  return { fieldViolations: error.violations.map((violation) => ({ ...violation })) };
}

function retryInfo(delayMs: number): { retryDelay: { seconds: bigint; nanos: number } } {
  return {
    retryDelay: { seconds: BigInt(Math.trunc(delayMs / 1000)), nanos: Math.trunc(delayMs % 1000) * 1e6 },
  };
}

function any(name: string, value: Uint8Array): Any {
  return { typeUrl: `type.googleapis.com/${name}`, value: Buffer.from(value) };
}

type ConnectCodeName = Exclude<keyof typeof Code, number>;

/** FAILED_PRECONDITION is FailedPrecondition in Connect. */
function connectCodeName(error: InventoryError): ConnectCodeName {
  const words = ERROR_TABLE[error.reason].code.toLowerCase().split('_');
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('') as ConnectCodeName;
}
