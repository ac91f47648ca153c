import { withConnection } from '../../src/dev/postgres-session.js';
import type { RecordedCall } from './journal.js';
import { isRead } from './stock-order.js';

/** What callers were told is done, and the log does not have. */
export async function lostCalls(url: string, calls: readonly RecordedCall[]): Promise<Set<RecordedCall>> {
  const { rows } = await withConnection(url, (client) => client.query('SELECT event_id FROM event_log'));
  const recorded = new Set(rows.map(({ event_id }) => event_id));
  const isLost = (call: RecordedCall) =>
    !isRead(call) &&
    call.tries.at(-1)?.results !== undefined &&
    call.commands.some(({ eventId }) => !recorded.has(eventId));
  return new Set(calls.filter(isLost));
}
