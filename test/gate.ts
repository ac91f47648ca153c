import type pg from 'pg';
import { withConnection } from '../src/dev/postgres-session.js';
import { until } from './until.js';

/**
 * A gate in the database: while it is closed, every transaction that has decided its commands waits at the point where it
 * writes their events. So tests bring about, each time, what else happens now and then: transactions that meet.
 */

const KEY = 1_950;

/** Builds the gate, open. */
export async function installGate(databaseUrl: string): Promise<void> {
  await withConnection(databaseUrl, (client) =>
    client.query(`
      CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock_shared(${KEY});
        RETURN NULL;
      END
      $$;
      CREATE TRIGGER gate BEFORE INSERT ON event_log EXECUTE FUNCTION wait_at_gate()`),
  );
}

export class ClosedGate {
  private constructor(private readonly client: pg.Client) {}

  /** Closes the gate while `act` runs, or until that opens it. */
  static async during<T>(databaseUrl: string, act: (gate: ClosedGate) => Promise<T>): Promise<T> {
    return await withConnection(databaseUrl, async (client) => {
      await client.query(`SELECT pg_advisory_lock(${KEY})`);
      return await act(new ClosedGate(client));
    });
  }

  async open(): Promise<void> {
    await this.client.query(`SELECT pg_advisory_unlock(${KEY})`);
  }

  /** Waits until so many transactions wait: at the gate, or for a row of one that waits there. */
  async untilWaiting(transactions: number): Promise<void> {
    const wait = async () => (await this.#waiting()).length >= transactions;
    await until(wait, `There are not ${transactions} transactions that wait.`);
  }

  /** Ends the sessions that wait, and so rolls their transactions back. */
  async endWaiting(): Promise<void> {
    for (const pid of await this.#waiting())
      await this.client.query('SELECT pg_terminate_backend($1, 5000)', [pid]);
  }

  async #waiting(): Promise<number[]> {
    const { rows } = await this.client.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows.map(({ pid }) => pid);
  }
}
