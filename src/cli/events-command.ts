import type { Command } from 'commander';
import { choice, pointInTime, uuid, wholeNumber } from './arguments.js';
import type { CommandLine } from './command-line.js';
import type { Event, Freshness, ListEventsRequest, ListEventsResponse } from './messages.js';
import { EVENT_STATUSES, enumName, OPERATION_TYPES, ORIGINS, shortName, type Timestamp } from './messages.js';
import { consistencyOf, STRONG_HELP } from './read-commands.js';
import { printJson, type Session } from './session.js';
import { type Column, count, drawTable, freshnessText, outcome } from './tables.js';
import type { TextChannel } from './terminal.js';

const DEFAULT_LIMIT = 50;
const PAGE_LIMIT = 500;

export function addEvents(line: CommandLine): void {
  line
    .add({
      name: 'events',
      does: 'Shows what happened in a store, refused commands too; the newest first.',
      more: [
        'Filters that are given must all hold. TIME is as in 2026-01-31T10:30:00Z, a day (its start in UTC), or how long ago: 90s, 15m, 2h, 7d.',
      ],
      examples: [
        'events --store STORE_001 --product PROD_0001',
        'events --store STORE_001 --status failed --since 2h',
        'events --store STORE_001 --since 2026-01-01 --until 2026-02-01 --oldest-first --all --json',
      ],
    })
    .requiredOption('--store <id>', 'the store')
    .option('--product <id>', 'only this product')
    .option('--event-id <uuid>', 'only this event', uuid)
    .addOption(choice('--type <type>', 'only this type', OPERATION_TYPES))
    .addOption(choice('--status <status>', 'only this status', EVENT_STATUSES))
    .addOption(choice('--origin <origin>', 'only what came in this way', ORIGINS))
    .option('--actor <name>', 'only what this one asked')
    .option('--since <time>', 'recorded at this time or later', pointInTime)
    .option('--until <time>', 'recorded before this time', pointInTime)
    .option('--oldest-first', 'begin with the oldest')
    .option('--limit <n>', 'how many to show, 1 to 100000', wholeNumber(1, 100_000), DEFAULT_LIMIT)
    .option('--all', 'show all that there are')
    .option('--page-token <token>', 'go on where an earlier answer ended, with the same filters')
    .option('--strong', STRONG_HELP)
    .action((given: EventsOptions, command: Command) =>
      line.run(command, (session) => events(session, given)),
    );
}

interface EventsOptions {
  readonly store: string;
  readonly product?: string;
  readonly eventId?: string;
  readonly type?: string;
  readonly status?: string;
  readonly origin?: string;
  readonly actor?: string;
  readonly since?: Timestamp;
  readonly until?: Timestamp;
  readonly oldestFirst?: boolean;
  readonly limit: number;
  readonly all?: boolean;
  readonly pageToken?: string;
  readonly strong?: boolean;
}

/** Shows events up to the limit, over as many pages as that takes: a page may be short, even empty, before the end. */
export async function events(session: Session, given: EventsOptions): Promise<void> {
  const answer = await gather(session, given);
  if (session.options.json) return printJson(session, answer);
  const { out } = session.terminal;
  if (answer.events.length === 0) out.line('No events.');
  else
    out.line(
      drawTable(
        out,
        COLUMNS,
        answer.events.map((event) => row(out, event)),
      ),
    );
  const total = `${count(answer.events.length)} ${answer.events.length === 1 ? 'event' : 'events'}.`;
  out.line(out.paint('dim', `${total} ${freshnessText(answer)}`));
  if (answer.nextPageToken !== '')
    out.line(`There may be more: add --page-token ${answer.nextPageToken} to go on, or --all.`);
}

/** One answer out of several pages; of their ages it tells the worst. */
async function gather({ client, options }: Session, given: EventsOptions): Promise<ListEventsResponse> {
  const limit = given.all ? Number.POSITIVE_INFINITY : given.limit;
  const found: Event[] = [];
  let pageToken = given.pageToken ?? '';
  let oldest: Freshness | undefined;
  do {
    const pageSize = Math.min(limit - found.length, PAGE_LIMIT);
    const request = { ...filterOf(given), pageSize, pageToken };
    const answer = await client.call('ListEvents', request, Date.now() + options.deadlineMs);
    found.push(...answer.events);
    if (oldest === undefined || answer.stale || answer.maxAgeMs > oldest.maxAgeMs) oldest = answer;
    pageToken = answer.nextPageToken;
  } while (pageToken !== '' && found.length < limit);
  const { source, cached, maxAgeMs, stale } = oldest;
  return { events: found, nextPageToken: pageToken, source, cached, maxAgeMs, stale };
}

function filterOf(given: EventsOptions): Omit<ListEventsRequest, 'pageSize' | 'pageToken'> {
  const { store, product = '', eventId = '', type, status, origin, actor = '', since, until } = given;
  return {
    storeId: store,
    productId: product,
    eventId,
    type: enumName('OPERATION_TYPE', type),
    status: enumName('EVENT_STATUS', status),
    origin: enumName('ORIGIN', origin),
    actor,
    ...(since && { startTime: since }),
    ...(until && { endTime: until }),
    descending: given.oldestFirst !== true,
    consistency: consistencyOf({ strong: given.strong === true }),
  };
}

const COLUMNS: readonly Column[] = [
  { title: 'Recorded' },
  { title: 'Product' },
  { title: 'Type' },
  { title: 'Asked', numeric: true },
  { title: 'Before', numeric: true },
  { title: 'After', numeric: true },
  { title: 'Version', numeric: true },
  { title: 'Outcome' },
  { title: 'Origin' },
  { title: 'Actor' },
  { title: 'Event id' },
];

function row(out: TextChannel, event: Event): string[] {
  return [
    event.recordedTime,
    event.productId,
    shortName('OPERATION_TYPE', event.type),
    count(event.requestedDelta),
    count(event.quantityBefore - event.oversoldBefore),
    count(event.quantityAfter - event.oversoldAfter),
    count(event.version),
    outcome(out, event.effect, event.reason),
    shortName('ORIGIN', event.origin),
    event.actor,
    event.eventId,
  ];
}
