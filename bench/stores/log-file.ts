import { type FileHandle, open } from 'node:fs/promises';
import { decodeRecords, encodeRecord, type LogRecord } from './log-records.js';

/** A file of records that is only added to. What `append` has taken is there after a crash of anything. */
export class LogFile {
  #waiting: string[] = [];
  #written: Promise<void> | undefined;

  private constructor(private readonly file: FileHandle) {}

  /** Opens a file, makes it where there is none, and cuts off a line that was not written whole. */
  static async open(path: string): Promise<{ readonly file: LogFile; readonly records: LogRecord[] }> {
    const file = await open(path, 'a+');
    const bytes = await file.readFile();
    const { records, wholeBytes } = decodeRecords(bytes);
    if (wholeBytes < bytes.length) {
      await file.truncate(wholeBytes);
      await file.datasync();
    }
    return { file: new LogFile(file), records };
  }

  /** Resolves once the records are on the disk. Those of several callers are written together. */
  append(...records: readonly LogRecord[]): Promise<void> {
    for (const record of records) this.#waiting.push(encodeRecord(record));
    // Whoever comes while others are written goes with the next ones.
    this.#written ??= this.#nextWrite();
    return this.#written;
  }

  async close(): Promise<void> {
    await this.#last;
    await this.file.close();
  }

  #last: Promise<void> = Promise.resolve();

  #nextWrite(): Promise<void> {
    this.#last = this.#last.then(async () => {
      const lines = this.#waiting.join('');
      this.#waiting = [];
      this.#written = undefined;
      await this.file.appendFile(lines);
      await this.file.datasync();
    });
    return this.#last;
  }
}
