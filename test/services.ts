import { Callers } from '../src/api/callers.js';
import type { Transport } from '../src/api/rpcs.js';
import { withConnection } from '../src/dev/postgres-session.js';
import type { BatchMode } from '../src/gen/grpc/inventory/v1/inventory.js';
import { type Answer, type Command, send, sendBatch } from './commands.js';
import { ClosedGate } from './gate.js';
import { type ServiceOptions, type ServiceProcess, startService } from './service-process.js';
import { type AuditedStock, auditStocks } from './store-audit.js';
import { until } from './until.js';

/** Which of the processes. */
export type Which = 0 | 1;

interface Running {
  readonly process: ServiceProcess;
  readonly callers: Callers;
}

/** Service processes on one database. */
export class Services {
  private constructor(
    readonly databaseUrl: string,
    private readonly options: Partial<ServiceOptions>,
    private readonly running: Running[],
  ) {}

  /** @param databaseUrl what the tests see of it; the processes too, where `options` name no other way to it. */
  static async start(
    databaseUrl: string,
    count: 1 | 2,
    options: Partial<ServiceOptions> = {},
  ): Promise<Services> {
    const starts = Array.from({ length: count }, () => run(databaseUrl, options));
    const settled = await Promise.allSettled(starts);
    const running = settled.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    const services = new Services(databaseUrl, options, running);
    if (running.length === count) return services;
    await services.stop();
    throw settled.find((start) => start.status === 'rejected')?.reason;
  }

  async stop(): Promise<void> {
    await Promise.all(this.running.map(end));
  }

  async kill9(which: Which): Promise<void> {
    await this.#at(which).process.kill9();
  }

  /** Starts it again, after it was killed. */
  async restart(which: Which): Promise<void> {
    await end(this.#at(which));
    this.running[which] = await run(this.databaseUrl, this.options);
  }

  send(which: Which, command: Command, transport: Transport = 'GRPC', timeoutMs?: number): Promise<Answer> {
    return send(this.#at(which).callers, transport, command, timeoutMs);
  }

  sendBatch(which: Which, mode: keyof typeof BatchMode, commands: readonly Command[]): Promise<Answer[]> {
    return sendBatch(this.#at(which).callers, mode, commands);
  }

  /** A read, answered after everything that the process has answered before on this connection. */
  async roundTrip(which: Which): Promise<void> {
    await this.#at(which).callers.overGrpc('Get', {
      ...{ storeId: 'none', productId: 'none', consistency: 0, minVersion: 0n },
    });
  }

  /** Closes the database's gate while `act` runs, or until that opens it. */
  async whileGateIsClosed<T>(act: (gate: ClosedGate) => Promise<T>): Promise<T> {
    return await ClosedGate.during(this.databaseUrl, act);
  }

  /** Waits until so many commands wait in the process for a transaction to come. */
  async untilQueued(which: Which, commands: number): Promise<void> {
    const queued = async () => (await this.#metric(which, 'onhand_ledger_queue_length')) >= commands;
    await until(queued, `There are not ${commands} commands in the queue.`);
  }

  /**
   * Waits until the process has let the deadline of one more sale pass than `before`: its own clock decides, not the
   * caller's.
   */
  async untilLate(which: Which, before: number): Promise<void> {
    const late = async () => (await this.lateSales(which)) > before;
    await until(late, 'No deadline has passed.');
  }

  /** Sales over gRPC that were not answered in time. */
  async lateSales(which: Which): Promise<number> {
    const labels = { method: 'Sell', transport: 'grpc', code: 'DEADLINE_EXCEEDED' };
    return await this.#metric(which, 'onhand_requests_total', labels);
  }

  /** Transactions of two processes that had to be run again because an event id was taken meanwhile. */
  async collisions(): Promise<number> {
    const of = (which: Which) =>
      this.#metric(which, 'onhand_ledger_retries_total', { cause: 'EVENT_ID_TAKEN' });
    return (await of(0)) + (await of(1));
  }

  async audit(storeId?: string): Promise<AuditedStock[]> {
    return await auditStocks(this.databaseUrl, storeId);
  }

  /** Events with this id, in all stores. */
  async eventsOf(eventId: string): Promise<number> {
    const { rowCount } = await withConnection(this.databaseUrl, (client) =>
      client.query('SELECT FROM event_log WHERE event_id = $1', [eventId]),
    );
    return rowCount ?? 0;
  }

  #at(which: Which): Running {
    const running = this.running[which];
    if (running === undefined) throw new Error(`There is no process ${which}.`);
    return running;
  }

  /** The sum of the values that have these labels; 0 where there are none yet. */
  async #metric(which: Which, name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const text = await (await fetch(this.#at(which).process.metricsUrl)).text();
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .filter((line) =>
        Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`)),
      )
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }
}

async function run(databaseUrl: string, options: Partial<ServiceOptions>): Promise<Running> {
  const url = patient(options.databaseUrl ?? databaseUrl);
  const process = await startService({ ...options, databaseUrl: url });
  return { process, callers: new Callers(process.grpcAddress, process.httpUrl) };
}

async function end({ process, callers }: Running): Promise<void> {
  callers.grpc.close();
  await process.stop();
}

/** So that a slow machine is not taken for a stuck one, and tests may hold a lock for a while. */
function patient(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.searchParams.set('options', '-c lock_timeout=3500 -c statement_timeout=3500');
  return url.href;
}
