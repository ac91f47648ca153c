import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPostgresBinaries } from '../../src/dev/postgres-binaries.js';
import { startReplica } from '../../src/dev/postgres-replica.js';
import { startPrimary } from '../../src/dev/postgres-server.js';
import { withConnection } from '../../src/dev/postgres-session.js';
import type { PostgresServer } from '../../src/dev/postmaster.js';
import { reachableFolder } from '../../src/dev/server-account.js';
import { migrate } from '../../src/postgres/migrate.js';
import { until } from '../until.js';

export const SERVER_NAMES = ['a', 'b', 'c'] as const;
export type ServerName = (typeof SERVER_NAMES)[number];

/** Three servers for memory's sake small; as durable as production's. */
const SETTINGS = { shared_buffers: '64MB', max_connections: '120' };
const PROMOTION_PATIENCE_MS = 60_000;

/** A primary and two standbys of the test's own, whose roles change as the test wants; `a` is the primary at first. */
export class ReplicatedServers {
  primary: ServerName = 'a';
  readonly #folder: string;
  readonly #servers = new Map<ServerName, PostgresServer>();
  readonly #hanging = new Set<ServerName>();

  private constructor(private readonly replication: 'SYNCHRONOUS' | 'ASYNCHRONOUS') {
    const { account } = findPostgresBinaries();
    this.#folder = mkdtempSync(join(reachableFolder(account, tmpdir()), 'onhand-replicated-'));
    chmodSync(this.#folder, 0o755);
  }

  /** @param replication SYNCHRONOUS: each commit waits for any one of the standbys. */
  static async start(replication: 'SYNCHRONOUS' | 'ASYNCHRONOUS'): Promise<ReplicatedServers> {
    const servers = new ReplicatedServers(replication);
    try {
      const options = { dataDir: servers.#dataDir('a'), port: 0, settings: SETTINGS };
      servers.#servers.set('a', await startPrimary(options));
      await migrate(servers.url('a'));
      await servers.follow('b');
      await servers.follow('c');
      await servers.#waitForStandbys('a');
      return servers;
    } catch (error) {
      await servers.stop();
      throw error;
    }
  }

  server(name: ServerName): PostgresServer {
    return this.#servers.get(name)!;
  }

  url(name: ServerName): string {
    return this.server(name).url();
  }

  get urls(): string[] {
    return SERVER_NAMES.map((name) => this.url(name));
  }

  get standbys(): ServerName[] {
    return SERVER_NAMES.filter((name) => name !== this.primary);
  }

  /** Runs statements one by one on a server. */
  async run(name: ServerName, ...statements: string[]): Promise<Record<string, unknown>[]> {
    return await withConnection(this.url(name), async (client) => {
      let rows: Record<string, unknown>[] = [];
      for (const statement of statements) rows = (await client.query(statement)).rows;
      return rows;
    });
  }

  /** Makes a server, whatever it was, a new standby of the primary, on the address that it had. */
  async follow(name: ServerName): Promise<void> {
    const { port } = this.#servers.get(name) ?? { port: 0 };
    const primary = this.server(this.primary);
    rmSync(join(this.#dataDir(name), 'standby.signal'), { force: true });
    const options = { primary, slotName: name, dataDir: this.#dataDir(name), port, settings: SETTINGS };
    this.#servers.set(name, await startReplica(options));
  }

  /** Lets the standbys of now show everything so late. */
  async delayStandbys(delayMs: number): Promise<void> {
    const statement = `ALTER SYSTEM SET recovery_min_apply_delay = '${delayMs}ms'`;
    for (const name of this.standbys) await this.run(name, statement, 'SELECT pg_reload_conf()');
  }

  /** Starts a primary that was lost, at an address that no service knows: to see what it held. */
  async startApart(name: ServerName): Promise<void> {
    this.#servers.set(
      name,
      await startPrimary({ dataDir: this.#dataDir(name), port: 0, settings: SETTINGS }),
    );
  }

  /**
   * Makes the standby that has come furthest the primary, and lets the other one follow it. What was the primary is left
   * as it is. Returns when the new one takes writes.
   */
  async promote(): Promise<ServerName> {
    const [one, other] = this.standbys as [ServerName, ServerName];
    const [a, b] = [await this.#received(one), await this.#received(other)];
    const [next, follower] = a >= b ? [one, other] : [other, one];
    const { host, port, password } = this.server(next);
    const login = `host=${host} port=${port} user=onhand password=${password} application_name=${follower}`;
    const settings = [`primary_conninfo = '${login}'`, "primary_slot_name = ''"];
    await this.run(
      follower,
      ...settings.map((each) => `ALTER SYSTEM SET ${each}`),
      'SELECT pg_reload_conf()',
    );
    await this.#waitForStandbys(next);
    // It does not wait for itself: its snapshot would be in the way of what is still to be replayed.
    await this.run(next, 'SELECT pg_promote(false)');
    const isPrimary = async () => {
      const [row] = await this.run(next, 'SELECT NOT pg_is_in_recovery() AS primary');
      return row?.primary === true;
    };
    await until(isPrimary, `${next} does not become the primary`, PROMOTION_PATIENCE_MS);
    this.primary = next;
    return next;
  }

  /** Lets the standbys receive nothing more: what is committed from now on is lost with the primary. */
  async cutStandbysOff(): Promise<void> {
    for (const name of this.standbys)
      await this.run(name, "ALTER SYSTEM SET primary_conninfo = ''", 'SELECT pg_reload_conf()');
    const streaming = () => this.run(this.primary, 'SELECT FROM pg_stat_replication');
    await until(async () => (await streaming()).length === 0, 'the standbys still stream');
  }

  /** Stops every process of a server where it is: connections stay open, and nothing is answered. */
  hang(name: ServerName): void {
    this.#hanging.add(name);
    this.#signalAll(name, 'SIGSTOP');
  }

  /** Lets a server that hangs go on. */
  goOn(name: ServerName): void {
    if (this.#hanging.delete(name)) this.#signalAll(name, 'SIGCONT');
  }

  /** Ends every process of a server at once, as a loss of power would. */
  async cutPower(name: ServerName): Promise<void> {
    this.hang(name);
    this.#signalAll(name, 'SIGKILL');
    this.#hanging.delete(name);
    await this.server(name).exited;
  }

  async stop(): Promise<void> {
    for (const name of [...this.#hanging]) this.goOn(name);
    for (const server of this.#servers.values()) await server.stop('immediate');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Stopped, the postmaster starts no other process; and they are only found while it is there. */
  #signalAll(name: ServerName, signal: NodeJS.Signals): void {
    const { pid } = this.server(name);
    process.kill(pid, 'SIGSTOP');
    const { stdout } = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' });
    const children = stdout.split('\n').filter(Boolean).map(Number);
    for (const each of [pid, ...children]) signalUnlessGone(each, signal);
  }

  /** As a primary it lets commits wait for a standby, where the test wants that. */
  async #waitForStandbys(name: ServerName): Promise<void> {
    if (this.replication === 'ASYNCHRONOUS') return;
    const names = `'ANY 1 (${SERVER_NAMES.join(', ')})'`;
    await this.run(name, `ALTER SYSTEM SET synchronous_standby_names = ${names}`, 'SELECT pg_reload_conf()');
  }

  /** How far a standby has received the WAL, in bytes. */
  async #received(name: ServerName): Promise<bigint> {
    const [row] = await this.run(
      name,
      "SELECT pg_wal_lsn_diff(coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')::text AS bytes",
    );
    return BigInt(String(row?.bytes));
  }

  #dataDir(name: ServerName): string {
    return join(this.#folder, name);
  }
}

/** A process that ended just now needs no signal. */
function signalUnlessGone(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
