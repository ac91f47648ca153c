/** As much of PostgreSQL's wire protocol (version 3) as the proxy needs to know where a transaction stands. */

/** Cuts a stream into whole messages: a type byte, then a length that counts itself, then the body. */
export class MessageSplitter {
  #rest: Buffer = Buffer.alloc(0);
  #untyped: number;

  /** @param untyped how many messages at the beginning have no type byte: a client's first one has none. */
  constructor(untyped: number) {
    this.#untyped = untyped;
  }

  /** The messages that this piece completes, with their headers. */
  push(piece: Buffer): Buffer[] {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    const messages: Buffer[] = [];
    let start = 0;
    for (;;) {
      const header = this.#untyped > 0 ? 0 : 1;
      if (bytes.length < start + header + 4) break;
      const end = start + header + bytes.readUInt32BE(start + header);
      if (bytes.length < end) break;
      messages.push(bytes.subarray(start, end));
      if (header === 0) this.#untyped--;
      start = end;
    }
    this.#rest = bytes.subarray(start);
    return messages;
  }
}

const typeOf = (message: Buffer): string => String.fromCharCode(message[0]!);

/** `COMMIT`, `UPDATE 3` …: what a statement came to; undefined for other messages of a server. */
export const commandTag = (message: Buffer): string | undefined =>
  typeOf(message) === 'C' ? message.toString('latin1', 5, message.length - 1) : undefined;

/** Whether a server says that it waits for the next transaction. */
export const isIdle = (message: Buffer): boolean =>
  typeOf(message) === 'Z' && message[5] === 'I'.charCodeAt(0);

/** Recognises a client's COMMIT, whether sent as text or as a prepared statement that stands for it. */
export class CommitRecogniser {
  readonly #names = new Set<string>();

  /** Whether this message starts a COMMIT. */
  begins(message: Buffer): boolean {
    const texts = () => message.toString('latin1', 5).split('\0');
    switch (typeOf(message)) {
      case 'Q':
        return texts()[0] === 'COMMIT';
      case 'P': {
        const [name = '', text] = texts();
        if (text === 'COMMIT') this.#names.add(name);
        return false;
      }
      case 'B':
        return this.#names.has(texts()[1] ?? '');
      default:
        return false;
    }
  }
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** The UUIDs among the values that a client gives to a statement. */
export const uuidsIn = (message: Buffer): string[] =>
  typeOf(message) === 'B' ? (message.toString('latin1').match(UUID) ?? []) : [];
