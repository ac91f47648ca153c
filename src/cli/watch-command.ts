import type { Command } from 'commander';
import { gathered, wholeNumber } from './arguments.js';
import type { CommandLine } from './command-line.js';
import type { WatchRequest, WatchResponse } from './messages.js';
import type { Session } from './session.js';
import { count } from './tables.js';
import type { TextChannel } from './terminal.js';
import { UsageError } from './usage-error.js';
import { newsOf, SeenVersions, WatchLines } from './watch-lines.js';
import { followChanges, type WatchNotes } from './watch-stream.js';

const LONGEST_IDLE_SECONDS = 86_400;

export function addWatch(line: CommandLine): void {
  line
    .add({
      name: 'watch',
      does: 'Shows the changes of stocks as they happen, until Ctrl-C.',
      more: [
        'Where the connection breaks it is made again for as long as that takes, and what happened meanwhile is shown, too; notes of it go to standard error, and so does the cursor at the end.',
        'With --json it prints each message of the stream on a line of its own: first the stocks as they are, then their changes, and every 5 s without one a sign of life.',
      ],
      examples: [
        'watch --store STORE_001',
        'watch --product PROD_0001 --product PROD_0002',
        'watch --store STORE_001 --json --until-idle 2',
      ],
    })
    .option('--store <id>', 'only this store; it or --product is needed')
    .option('--product <id>', 'only this product; may be repeated, up to 1,000 times', gathered)
    .option('--from-cursor <cursor>', 'go on where an earlier watch of the same stocks ended')
    .option('--count <n>', 'end after so many changes', wholeNumber(1, 1_000_000_000))
    .option(
      '--until-idle <seconds>',
      'end once there is no change for so long',
      wholeNumber(1, LONGEST_IDLE_SECONDS),
    )
    .action((given: WatchOptions, command: Command) => {
      const { store = '', product = [], fromCursor = '' } = given;
      if (store === '' && product.length === 0)
        throw new UsageError('Say what to watch: --store ID, --product ID, or both.');
      const request = { storeId: store, productIds: product, cursor: fromCursor };
      return line.run(command, (session) => watch(session, request, given));
    });
}

interface EndOptions {
  readonly count?: number;
  readonly untilIdle?: number;
}

interface WatchOptions extends EndOptions {
  readonly store?: string;
  readonly product?: readonly string[];
  readonly fromCursor?: string;
}

/** Shows changes until Ctrl-C, or until there were enough of them, or none for long enough. */
async function watch(session: Session, request: WatchRequest, end: EndOptions): Promise<void> {
  const { client, options, terminal } = session;
  await client.connect(Date.now() + options.deadlineMs);
  const ending = new AbortController();
  const stop = () => ending.abort();
  process.once('SIGINT', stop);
  const idle = new IdleTimer(end.untilIdle, stop);
  const notes = new Notes(terminal.err, idle);
  const shown = new Shown(session, end.count);
  try {
    for await (const message of followChanges(client, request, { signal: ending.signal, notes })) {
      notes.came(message);
      if (shown.add(message) > 0) idle.restart();
      if (isCurrent(message)) idle.start();
      if (shown.enough) break;
    }
  } finally {
    idle.stop();
    process.removeListener('SIGINT', stop);
    notes.end(shown);
  }
}

/** Everything up to now has come. */
const isCurrent = ({ snapshotComplete, watermark }: WatchResponse): boolean =>
  snapshotComplete || watermark !== undefined;

/** What was shown, and up to where. */
class Shown {
  changes = 0;
  /** Everything before it was shown. */
  cursor = '';
  readonly #seen = new SeenVersions();
  readonly #lines: WatchLines;

  constructor(
    private readonly session: Session,
    private readonly limit = Number.POSITIVE_INFINITY,
  ) {
    this.#lines = new WatchLines(session.terminal.out);
  }

  get enough(): boolean {
    return this.changes >= this.limit;
  }

  /** Shows what is new in the message, up to the limit. @returns how many changes. */
  add(message: WatchResponse): number {
    const news = newsOf(message, this.#seen);
    const changes = news.changes.slice(0, this.limit - this.changes);
    const cursor = changes.length === news.changes.length ? message.cursor : '';
    if (this.session.options.json)
      this.session.terminal.out.line(JSON.stringify({ ...message, changes, cursor }));
    else this.#lines.print({ ...news, changes });
    this.changes += changes.length;
    if (cursor !== '') this.cursor = cursor;
    return changes.length;
  }
}

/** Ends a watch that has been current without a change for so long; while there is no connection nobody knows. */
class IdleTimer {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly seconds: number | undefined,
    private readonly onIdle: () => void,
  ) {}

  /** Begins to count, if it does not already. */
  start(): void {
    if (this.seconds === undefined) return;
    this.#timer ??= setTimeout(this.onIdle, this.seconds * 1_000);
  }

  restart(): void {
    this.#timer?.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** Tells the person how it goes. */
class Notes implements WatchNotes {
  #stocks = 0;
  #lost = false;

  constructor(
    private readonly err: TextChannel,
    private readonly idle: IdleTimer,
  ) {}

  lost: WatchNotes['lost'] = (failure) => {
    this.idle.stop();
    if (!this.#lost) this.err.line(`${failure.message}; trying again until it is there.`);
    this.#lost = true;
  };

  startsAnew: WatchNotes['startsAnew'] = (failure) => {
    this.idle.stop();
    this.#stocks = 0;
    this.err.line(`${failure.message}. Some changes are not shown.`);
  };

  came({ stocks, snapshotComplete }: WatchResponse): void {
    if (this.#lost) this.err.line('Watching again, from where it was.');
    this.#lost = false;
    this.#stocks += stocks.length;
    if (!snapshotComplete) return;
    this.#dim(`${count(this.#stocks)} ${this.#stocks === 1 ? 'stock' : 'stocks'} now; changes follow.`);
    this.#stocks = 0;
  }

  end({ changes, cursor }: Shown): void {
    const goOn = cursor === '' ? '' : ` To go on from here: --from-cursor ${cursor}`;
    this.#dim(`${count(changes)} ${changes === 1 ? 'change' : 'changes'}.${goOn}`);
  }

  #dim(text: string): void {
    this.err.line(this.err.paint('dim', text));
  }
}
