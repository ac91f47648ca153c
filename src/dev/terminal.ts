/** Whether colours and progress bars make sense on this stream. */
export function isInteractive(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && process.env.TERM !== 'dumb' && process.env.NO_COLOR === undefined;
}

/** Tells the person who started the program one thing. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Tells what went wrong. */
export function complain(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Bold on a terminal, plain where the output is piped. */
export function bold(text: string): string {
  return isInteractive(process.stdout) ? `\u001b[1m${text}\u001b[0m` : text;
}

/** The text of an error for people: its message, or whatever was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
