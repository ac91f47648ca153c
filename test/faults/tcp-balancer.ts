import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A load balancer as simple as they come: each new connection goes to the next service that can be reached. */
export class TcpBalancer {
  readonly #sockets = new Set<Socket>();
  #turn = 0;
  /** Connections that a service took. */
  connections = 0;

  private constructor(
    private readonly server: Server,
    private readonly addresses: readonly string[],
  ) {}

  /** @param addresses the services, as host:port. */
  static async start(addresses: readonly string[]): Promise<TcpBalancer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const balancer = new TcpBalancer(server, addresses);
    server.on('connection', (socket) => balancer.#take(socket));
    return balancer;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  #take(caller: Socket): void {
    this.#keep(caller);
    this.#connect(caller, this.addresses.length);
  }

  /** Tries one service after the other; a caller for whom there is none is turned away. */
  #connect(caller: Socket, tries: number): void {
    if (tries === 0) return void caller.destroy();
    const [host = '', port] = this.addresses[this.#turn++ % this.addresses.length]!.split(':');
    const service = connect(Number(port), host);
    const onRefused = () => this.#connect(caller, tries - 1);
    service.once('error', onRefused);
    service.once('connect', () => {
      service.off('error', onRefused);
      this.#keep(service);
      this.connections++;
      caller.pipe(service).pipe(caller);
      caller.once('close', () => service.destroy());
      service.once('close', () => caller.destroySoon());
    });
  }

  #keep(socket: Socket): void {
    socket.setNoDelay();
    socket.on('error', () => undefined);
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}
