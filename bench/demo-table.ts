import { styleText } from 'node:util';
import Table from 'cli-table3';
import { say } from '../src/dev/terminal.js';
import type { OnlineCounts } from './stores/online-sales.js';
import type { FleetStore, StoreFleet } from './stores/store-fleet.js';

const LIVE_MS = 250;
const PLAIN_MS = 2_000;

/** What the stores do: a table that is drawn again and again on a terminal, a line now and then elsewhere. */
export class DemoTable {
  #drawnLines = 0;

  constructor(
    private readonly fleet: StoreFleet,
    private readonly isLive: boolean,
  ) {}

  get intervalMs(): number {
    return this.isLive ? LIVE_MS : PLAIN_MS;
  }

  draw(): void {
    if (this.isLive) this.#drawTable();
    else say(this.#summary());
  }

  end(agree: boolean, { done: online, refused, unanswered }: OnlineCounts): void {
    const { stores } = this.fleet;
    const done = sum(stores, ({ process }) => process.report?.operations ?? 0);
    const cuts = sum(stores, ({ line }) => line.cuts);
    say(
      `${number(done)} operations in ${stores.length} stores, ${number(online)} online (${number(refused)} more refused, ` +
        `${number(unanswered)} unanswered); lines were cut ${cuts} times.`,
    );
    for (const failure of this.fleet.failures) say(`A store's sync has ended: ${failure}.`);
    say(
      agree
        ? 'Every store and the service agree on every stock.'
        : 'NOT CONVERGED: stores and service differ.',
    );
  }

  #drawTable(): void {
    const table = new Table({
      head: ['Store', 'line', 'done', 'pending', 'acknowledged', 'lag', 'cuts'],
      style: { head: [], border: [], compact: true },
      colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right'],
    });
    for (const store of this.fleet.stores) table.push(this.#row(store));
    const text = `${table.toString()}\n${this.#summary()}\n`;
    // Over what was drawn before.
    process.stdout.write(`${this.#drawnLines > 0 ? `\u001b[${this.#drawnLines}A\u001b[J` : ''}${text}`);
    this.#drawnLines = text.split('\n').length - 1;
  }

  #row({ process, line }: FleetStore): string[] {
    const { operations = 0, pending = 0, oldestPendingMs } = process.report ?? {};
    const lagMs = oldestPendingMs === undefined ? 0 : Math.max(0, Date.now() - oldestPendingMs);
    return [
      ...[process.plan.storeId, line.isUp ? styleText('green', 'up') : styleText('red', 'down')],
      ...[operations, pending, operations - pending].map(number),
      ...[`${(lagMs / 1_000).toFixed(1)} s`, String(line.cuts)],
    ];
  }

  #summary(): string {
    const { stores } = this.fleet;
    const up = sum(stores, ({ line }) => (line.isUp ? 1 : 0));
    const done = sum(stores, ({ process }) => process.report?.operations ?? 0);
    const pending = sum(stores, ({ process }) => process.report?.pending ?? 0);
    const cuts = sum(stores, ({ line }) => line.cuts);
    return `${up} of ${stores.length} lines up, ${number(done)} done, ${number(pending)} pending, ${cuts} cuts`;
  }
}

const number = (value: number): string => value.toLocaleString('en-US');

const sum = <T>(items: readonly T[], value: (item: T) => number): number =>
  items.reduce((total, item) => total + value(item), 0);
