import { connect, type Socket } from 'node:net';
import {
  ACK,
  END_STREAM,
  encodeFrame,
  encodeRequest,
  FIRST_WINDOW,
  FRAME,
  type Frame,
  headerBlocks,
  MESSAGE_PREFIX_BYTES,
  preface,
  takeFrames,
} from './wire-frames.js';

export type Ending = 'DONE' | 'REFUSED' | 'LATE';

/** A call from when it is due. */
export interface DueCall {
  readonly dueMs: number;
  readonly ended: (ending: Ending) => void;
}

interface OpenCall extends DueCall {
  answered: boolean;
}

const STREAMS = 100;
const CANCEL = Buffer.from([0, 0, 0, 8]);
const RECONNECT_MS = 100;

/**
 * One connection of a program with gRPC stubs, at a fraction of their cost: calls wait for one of its streams, first in, first
 * out, and are given up at their deadline wherever they are. It says nothing of the time that they have waited, as grpc-js does not.
 */
export class OpenLoopConnection {
  readonly #waiting: DueCall[] = [];
  readonly #open = new Map<number, OpenCall>();
  #socket: Socket;
  #closing = false;
  #rest: Buffer = Buffer.alloc(0);
  #nextStream = 1;
  #sendWindow = FIRST_WINDOW;
  #headers: Buffer;
  readonly #blocks: { readonly first: Buffer; readonly later: Buffer };

  /** @param nextMessage makes the encoded request of one call */
  constructor(
    private readonly facts: { readonly address: string; readonly path: string; readonly deadlineMs: number },
    private readonly nextMessage: () => Uint8Array,
  ) {
    this.#blocks = headerBlocks(facts.path, facts.address, `${facts.deadlineMs}m`);
    this.#headers = this.#blocks.first;
    this.#socket = this.#connect();
  }

  push(call: DueCall): void {
    this.#waiting.push(call);
  }

  /** Gives up what is late, and sends what there is room for. */
  flush(): void {
    const lateMs = performance.now() - this.facts.deadlineMs;
    const frames = this.#giveUp(lateMs);
    while (this.#waiting.length > 0 && this.#open.size < STREAMS) {
      const message = this.nextMessage();
      if (this.#sendWindow < MESSAGE_PREFIX_BYTES + message.length) break;
      this.#sendWindow -= MESSAGE_PREFIX_BYTES + message.length;
      frames.push(encodeRequest(this.#nextStream, this.#headers, message));
      this.#open.set(this.#nextStream, { ...this.#waiting.shift()!, answered: false });
      this.#headers = this.#blocks.later;
      this.#nextStream += 2;
    }
    if (frames.length > 0) this.#socket.write(Buffer.concat(frames));
  }

  close(): void {
    this.#closing = true;
    this.#socket.destroy();
  }

  #giveUp(lateMs: number): Buffer[] {
    while (this.#waiting.length > 0 && this.#waiting[0]!.dueMs < lateMs) this.#waiting.shift()!.ended('LATE');
    const frames: Buffer[] = [];
    for (const [stream, call] of this.#open) {
      if (call.dueMs >= lateMs) break;
      frames.push(encodeFrame(FRAME.RST_STREAM, 0, stream, CANCEL));
      this.#end(stream, 'LATE');
    }
    return frames;
  }

  #end(stream: number, ending: Ending): void {
    const call = this.#open.get(stream);
    this.#open.delete(stream);
    call?.ended(ending);
  }

  #connect(): Socket {
    const [host, port] = this.facts.address.split(':');
    const socket = connect({ host: host ?? '', port: Number(port), noDelay: true });
    socket.write(preface());
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('close', () => this.#again());
    return socket;
  }

  /** The service has ended the connection, and with it all that was open. */
  #again(): void {
    for (const stream of [...this.#open.keys()]) this.#end(stream, 'LATE');
    if (this.#closing) return;
    this.#rest = Buffer.alloc(0);
    this.#nextStream = 1;
    this.#sendWindow = 0;
    setTimeout(() => {
      this.#headers = this.#blocks.first;
      this.#sendWindow = FIRST_WINDOW;
      this.#socket = this.#connect();
    }, RECONNECT_MS);
  }

  #receive(chunk: Buffer): void {
    const arrived = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = takeFrames(arrived, (frame) => this.#take(frame));
    this.flush();
  }

  #take({ type, flags, stream, payload }: Frame): void {
    const call = this.#open.get(stream);
    if (call !== undefined) {
      if (type === FRAME.DATA && payload.length >= MESSAGE_PREFIX_BYTES) call.answered = true;
      const ends = (type === FRAME.DATA || type === FRAME.HEADERS) && (flags & END_STREAM) !== 0;
      if (ends) this.#end(stream, call.answered ? 'DONE' : 'REFUSED');
      else if (type === FRAME.RST_STREAM) this.#end(stream, 'LATE');
    } else if (type === FRAME.WINDOW_UPDATE && stream === 0) {
      this.#sendWindow += payload.readUInt32BE(0);
    } else if ((type === FRAME.SETTINGS || type === FRAME.PING) && (flags & ACK) === 0) {
      this.#socket.write(encodeFrame(type, ACK, 0, type === FRAME.PING ? payload : Buffer.alloc(0)));
    } else if (type === FRAME.GOAWAY) {
      this.#socket.destroy();
    }
  }
}
