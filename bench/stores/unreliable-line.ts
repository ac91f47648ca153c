import { TcpLink } from '../../test/faults/tcp-link.js';
import type { SeededRandom } from '../../test/feed/seeded-random.js';

/** How long a line is up, and down, in milliseconds: any time in between, each as likely. */
const UP_MS = { least: 500, most: 6_000 };
const DOWN_MS = { least: 100, most: 3_000 };

/** A store's line to the service, which is cut at random. */
export class UnreliableLine {
  #timer: NodeJS.Timeout | undefined;
  #cuts = 0;
  isUp = true;

  private constructor(
    private readonly link: TcpLink,
    private readonly random: SeededRandom,
  ) {}

  /** @param address host:port of the service */
  static async start(address: string, random: SeededRandom): Promise<UnreliableLine> {
    return new UnreliableLine(await TcpLink.start(`http://${address}`), random);
  }

  /** Where the service seems to be. */
  get address(): string {
    return new URL(this.link.url).host;
  }

  /** Cuts that broke a connection which was there. */
  get cuts(): number {
    return this.#cuts;
  }

  /** Cuts and restores it from now on. */
  begin(): void {
    this.#wait(UP_MS, () => this.#cut());
  }

  /** Restores it for good. */
  settle(): void {
    clearTimeout(this.#timer);
    this.link.heal();
    this.isUp = true;
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.link.stop();
  }

  #cut(): void {
    const before = this.link.broken;
    this.link.cut();
    if (this.link.broken > before) this.#cuts++;
    this.isUp = false;
    this.#wait(DOWN_MS, () => {
      this.settle();
      this.begin();
    });
  }

  #wait({ least, most }: typeof UP_MS, then: () => void): void {
    this.#timer = setTimeout(then, least + this.random.next() * (most - least));
  }
}
