import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A way to a server that can be cut or hang, for those who take it and nobody else. */
export class TcpLink {
  readonly #sockets = new Set<Socket>();
  #state: 'OPEN' | 'CUT' | 'HANGING' = 'OPEN';
  /** Connections that were ended or refused since it was cut, and those that hang. */
  broken = 0;

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {}

  /** @param url where it leads to, with a port. */
  static async start(url: string): Promise<TcpLink> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const link = new TcpLink(server, new URL(url));
    server.on('connection', (socket) => link.#take(socket));
    return link;
  }

  /** The same URL by this way. */
  get url(): string {
    const url = new URL(this.target);
    url.host = `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return url.href;
  }

  /** Ends every connection; new ones are ended at once. */
  cut(): void {
    this.#state = 'CUT';
    for (const socket of this.#sockets) {
      this.broken++;
      socket.resetAndDestroy();
    }
  }

  /** Connections stay, new ones are taken, and nothing passes any more. */
  hang(): void {
    this.#state = 'HANGING';
    for (const socket of this.#sockets) {
      this.broken++;
      socket.pause();
    }
  }

  /** Whole again. What was held up passes. */
  heal(): void {
    this.#state = 'OPEN';
    for (const socket of this.#sockets) socket.resume();
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  #take(caller: Socket): void {
    if (this.#state === 'CUT') {
      this.broken++;
      caller.on('error', () => undefined);
      caller.resetAndDestroy();
      return;
    }
    const server = connect(Number(this.target.port), this.target.hostname);
    this.#join(caller, server);
    this.#join(server, caller);
  }

  #join(from: Socket, to: Socket): void {
    from.setNoDelay();
    from.on('error', () => undefined);
    from.on('data', (piece) => to.write(piece));
    from.once('close', () => {
      this.#sockets.delete(from);
      to.destroySoon();
    });
    this.#sockets.add(from);
    if (this.#state === 'HANGING') from.pause();
  }
}
