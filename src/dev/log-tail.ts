import { closeSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

const intervalMs = 100;
const chunkBytes = 65_536;

/**
 * Follows what is added to a file, line by line. A server that writes into a file goes on undisturbed when we are
 * killed; one that writes into a pipe to us does not.
 */
export class LogTail {
  private readonly file: number;
  private readonly decoder = new StringDecoder('utf8');
  private readonly timer: NodeJS.Timeout;
  private unfinished = '';

  /** @param position where to begin, in bytes; the file is made where it is missing. */
  constructor(
    path: string,
    private position: number,
    private readonly onLine: (line: string) => void,
  ) {
    this.file = openSync(path, 'a+', 0o600);
    this.timer = setInterval(() => this.read(), intervalMs);
    this.timer.unref();
  }

  /** Reads what is there and ends. */
  close(): void {
    clearInterval(this.timer);
    this.read();
    if (this.unfinished !== '') this.onLine(this.unfinished);
    closeSync(this.file);
  }

  private read(): void {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    for (;;) {
      const bytes = readSync(this.file, chunk, 0, chunkBytes, this.position);
      if (bytes === 0) return;
      this.position += bytes;
      const lines = (this.unfinished + this.decoder.write(chunk.subarray(0, bytes))).split('\n');
      this.unfinished = lines.pop() ?? '';
      for (const line of lines) this.onLine(line);
    }
  }
}
