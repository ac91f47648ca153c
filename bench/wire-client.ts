import { connect, type Socket } from 'node:net';
import type { LoadPlan } from './load-plan.js';
import { encodedRequests } from './requests.js';
import { Tally } from './tally.js';
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

const METHOD = { sell: 'Sell', get: 'Get', 'strong get': 'Get' } as const;

/**
 * Keeps `inFlight` gRPC calls under way until the time is over, then waits for the last answers.
 *
 * grpc-js as a client takes as much processor time as the service itself; beside pgbench, which is written in C, that
 * would measure the client. This one speaks just enough HTTP/2 for unary calls, and takes a fraction of it.
 */
export async function runWireClient(plan: LoadPlan): Promise<Tally> {
  const tally = new Tally();
  const share = plan.inFlight / plan.connections;
  const connections = Array.from({ length: plan.connections }, (_, index) => {
    const calls = Math.floor((index + 1) * share) - Math.floor(index * share);
    return new WireConnection(plan, calls, tally);
  });
  await Promise.all(connections.map((connection) => connection.open()));
  tally.start();
  const endMs = performance.now() + plan.seconds * 1000;
  await Promise.all(connections.map((connection) => connection.run(endMs)));
  tally.stop();
  return tally;
}

interface Call {
  readonly sentMs: number;
  /** A message has come: gRPC sends none where it answers an error. */
  answered: boolean;
}

/** One connection to the service, which repeats one method. */
class WireConnection {
  readonly #nextMessage: () => Uint8Array;
  readonly #calls = new Map<number, Call>();
  readonly #laterHeaders: Buffer;
  #headers: Buffer;
  #socket: Socket | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #nextStream = 1;
  #sendWindow = FIRST_WINDOW;
  #endMs = 0;
  #done: () => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;

  constructor(
    private readonly plan: LoadPlan,
    private readonly inFlight: number,
    private readonly tally: Tally,
  ) {
    this.#nextMessage = encodedRequests(plan);
    const path = `/inventory.v1.InventoryService/${METHOD[plan.rpc]}`;
    const { first, later } = headerBlocks(path, plan.address);
    this.#headers = first;
    this.#laterHeaders = later;
  }

  async open(): Promise<void> {
    const [host, port] = this.plan.address.split(':');
    const socket = connect({ host: host ?? '', port: Number(port), noDelay: true });
    this.#socket = socket;
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    socket.write(preface());
  }

  /** Sends until then; resolves when every call has its answer. */
  run(endMs: number): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined) throw new Error('open the connection first');
    this.#endMs = endMs;
    return new Promise<void>((resolve, reject) => {
      this.#done = () => {
        socket.destroy();
        resolve();
      };
      this.#fail = reject;
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('The service closed a connection under load')));
      socket.on('data', (chunk) => this.#receive(chunk));
      this.#fill();
    });
  }

  #receive(chunk: Buffer): void {
    const arrived = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = takeFrames(arrived, (frame) => this.#take(frame));
    this.#fill();
    if (this.#calls.size === 0 && performance.now() >= this.#endMs) this.#done();
  }

  /** Sends as many calls as are missing, in one write, as far as the service's window allows. */
  #fill(): void {
    if (performance.now() >= this.#endMs) return;
    const requests: Buffer[] = [];
    const sentMs = performance.now();
    while (this.#calls.size < this.inFlight) {
      const message = this.#nextMessage();
      if (this.#sendWindow < MESSAGE_PREFIX_BYTES + message.length) break;
      this.#sendWindow -= MESSAGE_PREFIX_BYTES + message.length;
      requests.push(encodeRequest(this.#nextStream, this.#headers, message));
      this.#calls.set(this.#nextStream, { sentMs, answered: false });
      this.#headers = this.#laterHeaders;
      this.#nextStream += 2;
    }
    if (requests.length > 0) this.#socket?.write(Buffer.concat(requests));
  }

  #take({ type, flags, stream, payload }: Frame): void {
    const call = this.#calls.get(stream);
    if (call !== undefined) {
      if (type === FRAME.DATA && payload.length >= MESSAGE_PREFIX_BYTES) call.answered = true;
      const ends = (type === FRAME.DATA || type === FRAME.HEADERS) && (flags & END_STREAM) !== 0;
      if (ends || type === FRAME.RST_STREAM) {
        this.#calls.delete(stream);
        this.tally.count(call.answered && type !== FRAME.RST_STREAM, call.sentMs);
      }
    } else if (type === FRAME.WINDOW_UPDATE && stream === 0) {
      this.#sendWindow += payload.readUInt32BE(0);
    } else if ((type === FRAME.SETTINGS || type === FRAME.PING) && (flags & ACK) === 0) {
      this.#socket?.write(encodeFrame(type, ACK, 0, type === FRAME.PING ? payload : Buffer.alloc(0)));
    } else if (type === FRAME.GOAWAY) {
      this.#fail(new Error('The service ends a connection under load'));
    }
  }
}
