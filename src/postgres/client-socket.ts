import type { Socket } from 'node:net';
import type { Client } from './pool.js';

/** What the driver keeps to itself: the socket of a client. */
export const socketOf = (client: Client): Socket =>
  (client as unknown as { connection: { stream: Socket } }).connection.stream;

/**
 * Sends all statements that `send` issues on a pipelined client in one packet. The driver writes each statement by
 * itself; a wake-up of the server for each costs more than the statement.
 */
export function inOneWrite<T>(client: Client, send: () => T): T {
  const socket = socketOf(client);
  socket.cork();
  try {
    return send();
  } finally {
    socket.uncork();
  }
}
