import { connect, type Socket } from 'node:net';
import type { LoadResult } from './load-plan.js';
import { Tally } from './tally.js';

export interface HttpLoad {
  readonly port: number;
  /** Each has one request under way at any time. */
  readonly connections: number;
  readonly seconds: number;
  /** The path and query of the next GET. */
  readonly nextPath: () => string;
}

const HEADER_END = '\r\n\r\n';
const CONTENT_LENGTH = /\r\ncontent-length: (\d+)/i;

/**
 * Sends GETs over HTTP/1.1 for a while and reads no more of the answers than where they end, so that it costs less than
 * any server.
 *
 * @throws Error where a connection breaks.
 */
export async function runHttpLoad({ port, connections, seconds, nextPath }: HttpLoad): Promise<LoadResult> {
  const tally = new Tally();
  const untilMs = performance.now() + seconds * 1000;
  tally.start();
  const drive = async () => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const closed = new Promise((resolve, reject) => {
      socket.once('close', resolve);
      socket.once('error', reject);
    });
    keepAsking(socket, tally, untilMs, nextPath);
    await closed;
  };
  await Promise.all(Array.from({ length: connections }, drive));
  tally.stop();
  return tally.result();
}

function keepAsking(socket: Socket, tally: Tally, untilMs: number, nextPath: () => string): void {
  let sentMs = 0;
  let received = '';
  const ask = () => {
    sentMs = performance.now();
    if (sentMs >= untilMs) socket.end();
    else socket.write(`GET ${nextPath()} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  };
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    received += chunk;
    const headerEnd = received.indexOf(HEADER_END);
    if (headerEnd < 0) return;
    const length = Number(CONTENT_LENGTH.exec(received)?.[1]);
    if (received.length < headerEnd + HEADER_END.length + length) return;
    tally.count(received.startsWith('HTTP/1.1 200 '), sentMs);
    received = '';
    ask();
  });
  ask();
}
