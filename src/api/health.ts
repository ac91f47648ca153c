import type { Server } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { SERVICE_NAME } from './rpcs.js';

/** What the inside says about itself. */
export interface Health {
  /** Whether some source answers reads. */
  ready(): boolean;
  /** Whether the primary takes writes. */
  writable(): boolean;
}

/** Health service that tells whether writes are taken, apart from readiness: reads go on without a primary. */
export const WRITES_SERVICE = `${SERVICE_NAME}/writes`;

const POLL_MS = 250;

/** Whether this process wants calls: for load balancers, over gRPC and HTTP. */
export class Readiness {
  #stopping = false;

  constructor(private readonly health: Health) {}

  /** From now on not ready, so that no new connections are sent here; calls are served as before. */
  announceStop(): void {
    this.#stopping = true;
  }

  /** Why this process wants no calls; undefined where it does. */
  get problem(): string | undefined {
    if (this.#stopping) return 'This process is about to stop';
    return this.health.ready() ? undefined : 'No database answers reads';
  }

  get writable(): boolean {
    return !this.#stopping && this.health.writable();
  }
}

/** grpc.health.v1: the empty name and our service mean readiness, WRITES_SERVICE means that writes are taken. */
export class GrpcHealth {
  readonly #implementation = new HealthImplementation();
  readonly #last = new Map<string, boolean>();
  readonly #timer: NodeJS.Timeout;

  constructor(private readonly readiness: Readiness) {
    this.refresh();
    this.#timer = setInterval(() => this.refresh(), POLL_MS).unref();
  }

  addTo(server: Server): void {
    this.#implementation.addToServer(server);
  }

  /** Tells those who watch at once what has changed; otherwise they hear it within 250 ms. */
  refresh(): void {
    const ready = this.readiness.problem === undefined;
    this.#set('', ready);
    this.#set(SERVICE_NAME, ready);
    this.#set(WRITES_SERVICE, this.readiness.writable);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #set(service: string, serving: boolean): void {
    if (this.#last.get(service) === serving) return;
    this.#last.set(service, serving);
    this.#implementation.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING');
  }
}
