import type { Server } from '@grpc/grpc-js';
import type { Watches } from '../feed/watch.js';
import type { Ledger } from '../ledger/ledger.js';
import type { ReadPath } from '../reads/read-path.js';
import type { SyncStreams } from '../sync/sync-streams.js';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';
import { Calls } from './call.js';
import { DescriptorIndex } from './descriptor-index.js';
import { startGrpcServer } from './grpc.js';
import { InventoryHandlers } from './handlers.js';
import type { Health } from './health.js';
import { GrpcHealth, Readiness } from './health.js';
import { startHttpServer } from './http.js';
import { addReflection } from './reflection.js';

export interface ApiOptions {
  readonly host: string;
  /** 0 takes a free one; so does `httpPort`. */
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Origins whose pages may call, exact. */
  readonly corsOrigins: readonly string[];
  readonly ledger: Ledger;
  readonly reads: ReadPath;
  readonly watches: Watches;
  readonly syncs: SyncStreams;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

export interface Api {
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Tells load balancers, by health and /readyz, to send nothing more; calls are served as before. */
  announceStop(): void;
  /** Refuses new calls, lets those that run end for at most this long, and closes both servers. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Starts every server of the API on the same handlers.
 *
 * @throws Error with `code` EADDRINUSE and the address in its message where a port is taken; then none is left open.
 */
export async function startApi(options: ApiOptions): Promise<Api> {
  const { host, grpcPort, httpPort, corsOrigins, ledger, reads, watches, syncs, metrics, logger } = options;
  const { commandDecided } = metrics.ledger;
  const handlers = new InventoryHandlers({ ledger, reads, watches, syncs, commandDecided });
  const calls = new Calls({ handlers, metrics: metrics.requests, logger });
  const readiness = new Readiness(options.health);
  const health = new GrpcHealth(readiness);
  const index = DescriptorIndex.ofServer();
  const services = [
    (server: Server) => health.addTo(server),
    (server: Server) => addReflection(server, index),
  ];
  try {
    const grpc = await startGrpcServer({ host, port: grpcPort, calls, services });
    try {
      const http = await startHttpServer({ host, port: httpPort, calls, readiness, corsOrigins, logger });
      const announceStop = () => {
        readiness.announceStop();
        health.refresh();
      };
      return {
        grpcPort: grpc.port,
        httpPort: http.port,
        announceStop,
        async stop(graceMs) {
          announceStop();
          calls.drain();
          syncs.drain();
          watches.drain();
          await Promise.all([grpc.stop(graceMs), http.stop(graceMs)]);
          health.stop();
        },
      };
    } catch (error) {
      await grpc.stop(0);
      throw error;
    }
  } catch (error) {
    health.stop();
    throw error;
  }
}
