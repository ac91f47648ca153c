/** Which methods are served at a path, so that a wrong one can be told from a wrong path. */
export class AllowedMethods {
  readonly #routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];

  /** @param url with `:name` for parts that vary. */
  add(methods: string | string[], url: string): void {
    const parts = url
      .split('/')
      .map((part) => (part.startsWith(':') ? '[^/]+' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
    this.#routes.push({ pattern: new RegExp(`^${parts.join('/')}$`), methods: [methods].flat() });
  }

  of(path: string): string[] {
    const methods = this.#routes
      .filter(({ pattern }) => pattern.test(path))
      .flatMap((route) => route.methods);
    return [...new Set(methods)].sort();
  }
}
