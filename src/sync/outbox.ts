/** What is to be sent, in its order. Whoever puts in bounds what waits: by waiting for it to be taken. */
export class Outbox<T> {
  readonly #items: { readonly item: T; readonly taken: () => void }[] = [];
  #end: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;

  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** Resolves once it has been sent, or will not be any more. */
  put(item: T): Promise<void> {
    if (this.#end !== undefined) return Promise.resolve();
    return new Promise((taken) => {
      this.#items.push({ item, taken });
      this.#wake();
    });
  }

  /** What is in here is sent, then the end: an error, or none. Later ends do not count. */
  end(error?: unknown): void {
    this.#end ??= { error };
    this.#wake();
  }

  /** Nothing more is sent; nobody waits for it any more. */
  close(): void {
    this.end();
    for (const { taken } of this.#items.splice(0)) taken();
  }

  /** Gives what is put in. An item counts as sent when the next one is asked for. @throws the error that it was ended with. */
  async *taken(): AsyncGenerator<T> {
    for (;;) {
      const next = this.#items.shift();
      if (next !== undefined) {
        yield next.item;
        next.taken();
      } else if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
