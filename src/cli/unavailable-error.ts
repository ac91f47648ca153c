/** What the command needs is not there now; the message says what it is, and how to get it. */
export class UnavailableError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnavailableError';
  }
}
