import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Zipf } from '../../bench/zipf.js';
import type { InventoryServiceClient } from '../../src/gen/grpc/inventory/v1/inventory_service.js';
import { SeededRandom } from '../feed/seeded-random.js';
import type { Command, Rpc } from '../load/load-plan.js';
import { connect, perform } from '../load/service-calls.js';
import { type Asked, batchGetOverGrpc, getOverGrpc, getOverRest, type Told } from './reads.js';
import { StalenessChecker } from './staleness-checker.js';
import { type NamedStock, type StalenessPlan, StockNames } from './staleness-plan.js';

/**
 * The client of a staleness run: a process outside of the services that writes, reads and judges what it reads, so that
 * acknowledgements and reads are timed by one clock. Its argument is the plan as JSON. It tells its parent how far it is,
 * and ends when it is told to, once the last answers are there.
 */

const PROGRESS_EVERY_MS = 100;
const READERS_PER_SERVICE = 8;
const WRITERS = 12;
const DEADLINE_MS = 5_000;
const RETRY_AFTER_MS = 50;
/** Of a BatchGet. */
const LARGEST_BATCH = 25;
/** Of an Apply. */
const LARGEST_APPLY = 5;
/** How often what is read and written, as shares. */
const READ_SHARES = { batch: 0.2, rest: 0.05, strong: 0.02, minVersion: 0.1 };
const WRITE_SHARES = { apply: 0.1, sell: 0.3 };

/** The stocks that are asked for follow a few hot ones. */
const EXPONENT = 0.9;

const ANYTHING: Asked = { strong: false, minVersion: 0 };

/** Lets something happen so often at most; what was missed is not made up for. */
class Pace {
  #dueMs = performance.now();

  constructor(private readonly intervalMs: number) {}

  async next(): Promise<void> {
    const nowMs = performance.now();
    this.#dueMs = Math.max(this.#dueMs + this.intervalMs, nowMs - this.intervalMs);
    if (this.#dueMs > nowMs) await pause(this.#dueMs - nowMs);
  }
}

class StalenessRun {
  readonly checker = new StalenessChecker();
  readonly #names: StockNames;
  readonly #zipf: Zipf;
  /** Which stock has which rank looks like chance. */
  readonly #byRank: readonly number[];
  readonly #clients: InventoryServiceClient[];
  #stopped = false;

  constructor(private readonly plan: StalenessPlan) {
    this.#names = new StockNames(plan.stocks);
    this.#zipf = new Zipf(this.#names.count, EXPONENT);
    this.#byRank = new SeededRandom(plan.seed).shuffled(this.#names.count);
    this.#clients = plan.services.map(({ grpcAddress }) => connect(grpcAddress));
    const open = plan.openProducts * plan.stocks.stores;
    for (let stock = 0; stock < open; stock++) this.checker.opened(stock, plan.openQuantity);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when every call has its answer. */
  async run(): Promise<void> {
    const { services, callsPerSecond, writesPerSecond, seed } = this.plan;
    const readers = services.length * READERS_PER_SERVICE;
    await Promise.all([
      ...Array.from({ length: readers }, (_, index) => {
        const random = new SeededRandom(seed + 1_000 + index);
        const service = index % services.length;
        return this.#repeat((1_000 * readers) / callsPerSecond, () => this.#read(service, random));
      }),
      ...Array.from({ length: WRITERS }, (_, index) => {
        const random = new SeededRandom(seed + 2_000 + index);
        return this.#repeat((1_000 * WRITERS) / writesPerSecond, () => this.#write(random));
      }),
    ]);
    for (const client of this.#clients) client.close();
  }

  async #repeat(intervalMs: number, act: () => Promise<void>): Promise<void> {
    const pace = new Pace(intervalMs);
    while (!this.#stopped) {
      await act();
      await pace.next();
    }
  }

  #pick(random: SeededRandom): NamedStock {
    return this.#names.at(this.#byRank[this.#zipf.rankAt(random.next())]!);
  }

  async #read(service: number, random: SeededRandom): Promise<void> {
    const client = this.#clients[service]!;
    if (random.chance(READ_SHARES.batch)) return await this.#batchGet(client, random);
    const named = this.#pick(random);
    const asked = this.#asked(named, random);
    const overRest = !asked.strong && random.chance(READ_SHARES.rest);
    const startMs = performance.now();
    const answer = overRest
      ? await getOverRest(this.plan.services[service]!.httpUrl, named, asked, DEADLINE_MS)
      : await getOverGrpc(client, named, asked, DEADLINE_MS);
    if ('told' in answer) this.#judge(named, asked, startMs, answer.told);
    else this.checker.failed(answer.failure, asked.strong, 1);
  }

  #asked({ stock }: NamedStock, random: SeededRandom): Asked {
    if (random.chance(READ_SHARES.strong)) return { strong: true, minVersion: 0 };
    if (!random.chance(READ_SHARES.minVersion)) return ANYTHING;
    return { strong: false, minVersion: this.checker.newestVersion(stock) };
  }

  async #batchGet(client: InventoryServiceClient, random: SeededRandom): Promise<void> {
    const picked = Array.from({ length: 1 + random.below(LARGEST_BATCH) }, () => this.#pick(random));
    const stocks = [...new Map(picked.map((named) => [named.stock, named])).values()];
    const startMs = performance.now();
    const answer = await batchGetOverGrpc(client, stocks, DEADLINE_MS);
    if ('failure' in answer) return this.checker.failed(answer.failure, false, stocks.length);
    for (const [index, named] of stocks.entries()) {
      this.#judge(named, ANYTHING, startMs, answer.told[index]!);
    }
  }

  #judge({ stock }: NamedStock, asked: Asked, startMs: number, told: Told): void {
    this.checker.judge({ stock, startMs, ...asked, ...told });
  }

  /** Until it is decided, with the same event ids: an outcome that is not known would be a version that is not known. */
  async #write(random: SeededRandom): Promise<void> {
    const call = this.#nextWrite(random);
    const { length } = this.#clients;
    for (let service = random.below(length); !this.#stopped; service = (service + 1) % length) {
      const answer = await perform(this.#clients[service]!, call, DEADLINE_MS);
      if ('results' in answer) {
        const ackedMs = performance.now();
        for (const [index, { accepted, version = 0, net = 0 }] of answer.results.entries()) {
          const stock = this.#names.numberOf(call.commands[index]!);
          if (accepted) this.checker.acknowledged(stock, version, net, ackedMs);
        }
        return;
      }
      await pause(RETRY_AFTER_MS);
    }
  }

  #nextWrite(random: SeededRandom): { rpc: Rpc; commands: Command[] } {
    const first = this.#pick(random);
    if (!random.chance(WRITE_SHARES.apply)) {
      const sells = random.chance(WRITE_SHARES.sell) && this.checker.newestVersion(first.stock) > 0;
      return { rpc: sells ? 'Sell' : 'Restock', commands: [commandOf(first, sells ? 'SALE' : 'RESTOCK')] };
    }
    const more = Array.from({ length: random.below(LARGEST_APPLY) }, () => ({
      ...this.#pick(random),
      storeId: first.storeId,
    }));
    const commands = [first, ...more].map((named) => commandOf(named, 'RESTOCK'));
    return { rpc: 'ApplyIndependent', commands };
  }
}

const commandOf = ({ storeId, productId }: NamedStock, type: Command['type']): Command => ({
  ...{ storeId, productId, type, quantity: type === 'SALE' ? 1 : 2, eventId: randomUUID() },
});

async function main([plan = '']: readonly string[]): Promise<void> {
  const run = new StalenessRun(JSON.parse(plan) as StalenessPlan);
  process.on('message', () => run.stop());
  // Whoever started us is gone: nobody will hear of it.
  process.on('disconnect', () => process.exit(1));
  const tell = () => process.send?.(run.checker.totals, () => undefined);
  const progress = setInterval(tell, PROGRESS_EVERY_MS);
  await run.run();
  clearInterval(progress);
  process.send?.(run.checker.totals, () => process.exit(0));
}

await main(process.argv.slice(2));
