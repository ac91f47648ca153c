import type { ServerDuplexStream } from '@grpc/grpc-js';

/** Takes the messages of a stream one by one: where they are not asked for, the caller's flow control stops it. */
export class IncomingMessages {
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(private readonly call: ServerDuplexStream<Buffer, unknown>) {
    // A stream of objects reads 16 ahead, however large they are, and grpc-js lets nobody say otherwise.
    const { _readableState: state } = call as unknown as { _readableState: { highWaterMark: number } };
    state.highWaterMark = 1;
    call.on('readable', () => this.#wake());
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    call.on('end', end);
    call.on('close', end);
  }

  /** Undefined once there are no more. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const message: Buffer | null = this.call.read();
      if (message !== null) return message;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
