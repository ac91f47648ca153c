import { randomUUID } from 'node:crypto';
import { Callers } from '../src/api/callers.js';
import { freePort } from '../src/dev/ports.js';
import { send } from './commands.js';
import { type ServiceProcess, startService } from './service-process.js';

/** A service that comes back on the same ports, as one behind a fixed address does. */
export class LastingService {
  private constructor(
    private readonly environment: Readonly<Record<string, string>>,
    private running: ServiceProcess,
  ) {}

  static async start(databaseUrl: string): Promise<LastingService> {
    const [grpc, http] = [await freePort(), await freePort()];
    const environment = { ONHAND_GRPC_PORT: String(grpc), ONHAND_HTTP_PORT: String(http) };
    return new LastingService(environment, await startService({ databaseUrl, environment }));
  }

  get grpcAddress(): string {
    return this.running.grpcAddress;
  }

  get httpUrl(): string {
    return this.running.httpUrl;
  }

  async stop(): Promise<void> {
    await this.running.stop();
  }

  async kill9(): Promise<void> {
    await this.running.kill9();
  }

  /** Starts it again, after it was stopped or killed. */
  async startAgain(databaseUrl: string): Promise<void> {
    this.running = await startService({ databaseUrl, environment: this.environment });
  }

  /** Adds units, or takes them where they are negative, over REST. @returns the version that this made. */
  async move(storeId: string, productId: string, units: number): Promise<number> {
    const response = await fetch(`${this.httpUrl}/api/v1/inventory/${units < 0 ? 'sell' : 'restock'}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ storeId, productId, quantity: Math.abs(units) }),
    });
    const { data, message } = (await response.json()) as { data: { version: number }; message: string };
    if (!response.ok) throw new Error(`${response.status} ${message}`);
    return data.version;
  }

  /** Sells over gRPC. */
  async sell(storeId: string, productId: string, quantity: number): Promise<void> {
    const callers = new Callers(this.grpcAddress, this.httpUrl);
    const command = { rpc: 'Sell', storeId, productId, quantity, eventId: randomUUID() } as const;
    const { refusal } = await send(callers, 'GRPC', command);
    callers.grpc.close();
    if (refusal !== '') throw new Error(refusal);
  }
}
