import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { CommitRecogniser, commandTag, isIdle, MessageSplitter, uuidsIn } from './postgres-messages.js';

/** What becomes of a message that is about to pass. */
export type Fate =
  | 'pass'
  /** The connection ends before it, as by a crash (RST) … */
  | 'reset'
  /** … or as by an orderly close (FIN). PostgreSQL's side is closed too. */
  | 'close'
  /** Neither it nor anything after it passes; the connection stays open and silent. */
  | 'swallow';

/** The transaction that runs on a connection. */
export interface Transaction {
  /** Every UUID among its values: the event ids of its commands. */
  readonly eventIds: ReadonlySet<string>;
  /** The tags of the statements that PostgreSQL has answered. */
  readonly tags: readonly string[];
}

/** Decides, at the moment, what becomes of a message. All pass where nothing is said. */
export interface Faults {
  /** A COMMIT, before PostgreSQL gets it. */
  readonly onCommit?: (transaction: Transaction) => Fate;
  /** The answer to a statement, before the service gets it; its tag is the last of the transaction's. */
  readonly onAnswer?: (transaction: Transaction) => Fate;
}

/** What has happened so far. */
export interface ProxyCounts {
  connections: number;
  refused: number;
  /** Answers to COMMIT that came from PostgreSQL. */
  commits: number;
  cut: number;
  swallowed: number;
}

/** Stands between a service and PostgreSQL, and breaks what passes, exactly where it is told to. */
export class PostgresProxy {
  faults: Faults = {};
  /** How long a new connection has to wait until it gets to PostgreSQL, in milliseconds. */
  connectDelayMs = 0;
  readonly counts: ProxyCounts = { connections: 0, refused: 0, commits: 0, cut: 0, swallowed: 0 };
  readonly #links = new Set<Link>();
  #refuses = false;
  #stalled = false;

  private constructor(
    private readonly server: Server,
    private readonly target: { readonly host: string; readonly port: number },
  ) {}

  /** Starts a proxy on a free port. @param databaseUrl what it leads to. */
  static async start(databaseUrl: string): Promise<PostgresProxy> {
    const { hostname, port } = new URL(databaseUrl);
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new PostgresProxy(server, { host: hostname, port: Number(port) });
    server.on('connection', (socket) => proxy.#take(socket));
    return proxy;
  }

  /** The URL of the same database through the proxy. */
  url(databaseUrl: string): string {
    const url = new URL(databaseUrl);
    url.port = String((this.server.address() as AddressInfo).port);
    return url.href;
  }

  /** From now on new connections are refused; those that are open stay. */
  refuse(): void {
    this.#refuses = true;
  }

  /** From now on nothing passes in either direction, as on a network that loses everything. */
  stall(): void {
    this.#stalled = true;
    for (const link of this.#links) link.pause();
  }

  /** Ends every fault; what was held up passes. */
  heal(): void {
    this.faults = {};
    this.connectDelayMs = 0;
    this.#refuses = false;
    this.#stalled = false;
    for (const link of this.#links) link.resume();
  }

  /** Ends every connection. */
  cutAll(): void {
    for (const link of this.#links) link.end('reset');
  }

  async stop(): Promise<void> {
    for (const link of this.#links) link.end('close');
    this.server.close();
    await once(this.server, 'close');
  }

  #take(service: Socket): void {
    service.on('error', () => undefined);
    if (this.#refuses) {
      this.counts.refused++;
      service.resetAndDestroy();
      return;
    }
    this.counts.connections++;
    setTimeout(() => this.#connect(service), this.connectDelayMs);
  }

  #connect(service: Socket): void {
    const link = new Link(service, connect(this.target), this);
    this.#links.add(link);
    service.once('close', () => this.#links.delete(link));
    if (this.#stalled) link.pause();
  }
}

/** One connection: the service's side and PostgreSQL's. */
class Link {
  readonly #requests = new MessageSplitter(1);
  readonly #answers = new MessageSplitter(0);
  readonly #commits = new CommitRecogniser();
  #transaction = { eventIds: new Set<string>(), tags: [] as string[] };
  #silent = false;

  constructor(
    private readonly service: Socket,
    private readonly postgres: Socket,
    private readonly proxy: PostgresProxy,
  ) {
    service.on('data', (piece) =>
      this.#pass(this.#requests.push(piece), postgres, (m) => this.#judgeRequest(m)),
    );
    postgres.on('data', (piece) =>
      this.#pass(this.#answers.push(piece), service, (m) => this.#judgeAnswer(m)),
    );
    for (const [one, other] of [
      [service, postgres],
      [postgres, service],
    ] as const) {
      one.setNoDelay();
      one.on('error', () => undefined);
      // What came before the end still goes out: a last error, say.
      one.on('close', () => other.destroySoon());
    }
  }

  pause(): void {
    this.service.pause();
    this.postgres.pause();
  }

  resume(): void {
    this.service.resume();
    this.postgres.resume();
  }

  end(how: 'reset' | 'close'): void {
    if (this.service.destroyed) return;
    this.proxy.counts.cut++;
    this.#silent = true;
    if (how === 'reset') this.service.resetAndDestroy();
    else this.service.destroy();
    this.postgres.destroy();
  }

  /** Passes messages on up to the first one that may not pass. */
  #pass(messages: readonly Buffer[], to: Socket, judge: (message: Buffer) => Fate): void {
    if (this.#silent) return;
    let passed = 0;
    let fate: Fate = 'pass';
    for (const message of messages) {
      fate = judge(message);
      if (fate !== 'pass') break;
      passed++;
    }
    if (passed > 0) to.write(Buffer.concat(messages.slice(0, passed)));
    if (fate === 'swallow') {
      this.proxy.counts.swallowed++;
      this.#silent = true;
    } else if (fate !== 'pass') this.end(fate);
  }

  #judgeRequest(message: Buffer): Fate {
    for (const id of uuidsIn(message)) this.#transaction.eventIds.add(id);
    if (!this.#commits.begins(message)) return 'pass';
    return this.proxy.faults.onCommit?.(this.#transaction) ?? 'pass';
  }

  #judgeAnswer(message: Buffer): Fate {
    if (isIdle(message)) this.#transaction = { eventIds: new Set(), tags: [] };
    const tag = commandTag(message);
    if (tag === undefined) return 'pass';
    this.#transaction.tags.push(tag);
    if (tag === 'COMMIT') this.proxy.counts.commits++;
    return this.proxy.faults.onAnswer?.(this.#transaction) ?? 'pass';
  }
}
