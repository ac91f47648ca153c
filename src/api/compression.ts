import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { preferredEncoding } from './accept-header.js';

/** Answers at least this long are compressed for those who take that: shorter ones fit into few packets anyway. */
export const COMPRESS_FROM_BYTES = 4_096;

/** Higher ones take many times as long, for little. */
const BROTLI_OPTIONS = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };

const compressBrotli = promisify(brotliCompress);
const compressGzip = promisify(gzip);

/** Options of routes whose answers may be long; all others have no part in compression. */
export const LONG_ANSWERS = { onSend: compressLongAnswer };

/** The work is done beside the event loop. */
async function compressLongAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): Promise<unknown> {
  if (typeof payload !== 'string') return payload;
  addVary(reply, 'Accept-Encoding');
  if (Buffer.byteLength(payload) < COMPRESS_FROM_BYTES) return payload;
  const encoding = preferredEncoding(request.headers['accept-encoding'], ['br', 'gzip']);
  if (encoding === undefined) return payload;
  reply.header('Content-Encoding', encoding);
  return await (encoding === 'br' ? compressBrotli(payload, BROTLI_OPTIONS) : compressGzip(payload));
}

/** Tells caches that the answer depends on this header, too. */
export function addVary(reply: FastifyReply, name: string): void {
  const others = reply.getHeader('Vary');
  reply.header('Vary', others === undefined ? name : `${others}, ${name}`);
}
