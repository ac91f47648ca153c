import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

/** A file system of its own in a file, small enough to be filled. */
export class SmallDisk {
  readonly folder: string;
  readonly #parent: string;

  /** @throws Error where the system does not let us mount one: that takes root and loop devices. */
  constructor(megabytes: number) {
    this.#parent = mkdtempSync(join(tmpdir(), 'onhand-disk-'));
    this.folder = join(this.#parent, 'mounted');
    const image = join(this.#parent, 'image');
    try {
      run('chmod', '755', this.#parent);
      mkdirSync(this.folder);
      closeSync(openSync(image, 'w'));
      truncateSync(image, megabytes * 1024 * 1024);
      // -m 0: nothing is kept back for root.
      run('mkfs.ext4', '-q', '-m', '0', image);
      run('mount', '-o', 'loop', image, this.folder);
    } catch (error) {
      rmSync(this.#parent, { recursive: true, force: true });
      throw error;
    }
  }

  /** Moves a folder onto this disk, owners and all, and leaves a link in its place. */
  adopt(folder: string): void {
    const moved = join(this.folder, basename(folder));
    run('cp', '-a', folder, moved);
    rmSync(folder, { recursive: true });
    symlinkSync(moved, folder);
  }

  /** Leaves not a block free. */
  fill(): void {
    const ballast = openSync(this.#ballast, 'a');
    try {
      for (const size of [1024 * 1024, 4096]) {
        const zeros = Buffer.alloc(size);
        while (hasRoom(() => writeSync(ballast, zeros)));
      }
    } finally {
      closeSync(ballast);
    }
  }

  free(): void {
    rmSync(this.#ballast, { force: true });
  }

  /** Unmounts it, once nobody has a file open there. */
  remove(): void {
    run('umount', this.folder);
    rmSync(this.#parent, { recursive: true, force: true });
  }

  get #ballast(): string {
    return join(this.folder, 'ballast');
  }
}

function hasRoom(write: () => unknown): boolean {
  try {
    write();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}

function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')}: ${error?.message ?? stderr.trim()}`);
}
