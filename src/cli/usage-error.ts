/** What the person gave cannot be used; the message says what is wrong, where, and what would be right. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}
