import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { grpcFrame } from '../../src/api/callers.js';
import { BatchMode } from '../../src/gen/grpc/inventory/v1/inventory.js';
import { SyncRequest } from '../../src/gen/grpc/inventory/v1/inventory_service.js';

/** A store's stream that sends, and of what it is sent takes no more than a connection's window. */
export class UnreadStream {
  readonly #request: ClientHttp2Stream;
  /** When the stream was ended, on the clock of performance.now(). */
  endedMs: number | undefined;

  private constructor(
    private readonly session: ClientHttp2Session,
    private readonly storeId: string,
  ) {
    // A service that resets the stream does not break the connection.
    session.on('error', () => undefined);
    this.#request = session.request({
      ...{ ':method': 'POST', ':path': '/inventory.v1.InventoryService/Sync' },
      ...{ 'content-type': 'application/grpc', te: 'trailers' },
    });
    this.#request.on('error', () => undefined);
    this.#request.on('close', () => {
      this.endedMs = performance.now();
    });
  }

  /** With a first hello. */
  static async open(grpcAddress: string, storeId: string): Promise<UnreadStream> {
    const session = connect(`http://${grpcAddress}`);
    await once(session, 'connect');
    const stream = new UnreadStream(session, storeId);
    stream.send({});
    return stream;
  }

  send(fields: Partial<SyncRequest>): void {
    const request = {
      ...{ storeId: this.storeId, epoch: 0n, sequence: 0n, mode: BatchMode.UNSPECIFIED },
      ...{ operations: [], changeCursor: '', ...fields },
    };
    this.#request.write(grpcFrame(0, Buffer.from(SyncRequest.encode(request).finish())));
  }

  /** Whether no more can be sent to it until something is read. */
  get isFull(): boolean {
    return this.#request.state.localWindowSize === 0;
  }

  /** Whether the service reset it. */
  get isCancelled(): boolean {
    return this.#request.rstCode === constants.NGHTTP2_CANCEL;
  }

  close(): void {
    this.session.destroy();
  }
}
