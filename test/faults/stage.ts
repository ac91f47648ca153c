import { expect } from '@jest/globals';
import { withConnection } from '../../src/dev/postgres-session.js';
import { isAlive } from '../../src/dev/process-registry.js';
import { createTestDatabase, type TestDatabase } from '../../src/dev/test-database.js';
import type { LoadPlan } from '../load/load-plan.js';
import { LoadProcess } from '../load/load-process.js';
import { type ServiceOptions, type ServiceProcess, startService } from '../service-process.js';
import type { WatchPlan } from '../watch/watch-client.js';
import { WatchProcess } from '../watch/watch-process.js';
import { OwnRedis } from './own-redis.js';
import { OwnServers } from './own-servers.js';
import { PostgresProxy } from './postgres-proxy.js';
import { ReplicatedServers } from './replicated-servers.js';

const DURABLE = ['fsync', 'synchronous_commit', 'full_page_writes'];

/** What one fault test puts up: taken down in reverse order, whatever happened. */
export class Stage {
  readonly #removals: (() => Promise<unknown>)[] = [];
  readonly #services: ServiceProcess[] = [];

  /** Takes this down with the rest. */
  keep<T>(thing: T, remove: (thing: T) => Promise<unknown>): T {
    this.#removals.push(() => remove(thing));
    return thing;
  }

  /** An empty database on the servers of the test run. */
  async database(): Promise<TestDatabase> {
    const database = this.keep(await createTestDatabase(), (one) => one.drop());
    await expectDurable(database.url);
    return database;
  }

  /** A primary and a replica of the test's own. */
  async servers(settings?: Readonly<Record<string, string>>): Promise<OwnServers> {
    const servers = this.keep(await OwnServers.start(settings), (one) => one.stop());
    await expectDurable(servers.databaseUrl);
    return servers;
  }

  /** A primary and two standbys of the test's own. */
  async replicated(replication: 'SYNCHRONOUS' | 'ASYNCHRONOUS'): Promise<ReplicatedServers> {
    const servers = this.keep(await ReplicatedServers.start(replication), (one) => one.stop());
    await expectDurable(servers.url('a'));
    return servers;
  }

  async proxy(databaseUrl: string): Promise<PostgresProxy> {
    return this.keep(await PostgresProxy.start(databaseUrl), (proxy) => proxy.stop());
  }

  async service(options: ServiceOptions): Promise<ServiceProcess> {
    const service = this.keep(await startService(options), (one) => one.kill9());
    this.#services.push(service);
    return service;
  }

  load(plan: LoadPlan): LoadProcess {
    return this.keep(new LoadProcess(plan), (load) => load.remove());
  }

  watch(plan: WatchPlan): WatchProcess {
    return this.keep(new WatchProcess(plan), (watching) => watching.stop());
  }

  /** A Redis of the test's own. */
  async redis(program: string): Promise<OwnRedis> {
    return this.keep(await OwnRedis.start(program), (redis) => redis.stop());
  }

  /** Ends a service in the middle of its work; it is not expected to be alive any more. */
  async kill9(service: ServiceProcess): Promise<void> {
    this.#services.splice(this.#services.indexOf(service), 1);
    await service.kill9();
  }

  /** Every service that was started still runs, as the same process, and stops in good order. */
  async expectServicesAlive(): Promise<void> {
    const ended = this.#services.filter(({ pid }) => !isAlive(pid)).map(({ output }) => output.slice(-20));
    expect(ended).toEqual([]);
    for (const service of this.#services.splice(0)) expect(await service.stop()).toBe(0);
  }

  async clear(): Promise<void> {
    this.#services.length = 0;
    for (const remove of this.#removals.splice(0).reverse()) await remove();
  }
}

/** A test of lost writes is worth nothing on a server that may lose them by its settings. */
export async function expectDurable(databaseUrl: string): Promise<void> {
  const { rows } = await withConnection(databaseUrl, (client) =>
    client.query('SELECT name, setting FROM pg_settings WHERE name = ANY ($1)', [DURABLE]),
  );
  expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual(
    Object.fromEntries(DURABLE.map((name) => [name, 'on'])),
  );
}
