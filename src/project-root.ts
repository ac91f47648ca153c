import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The folder that holds package.json. Assets (proto, migrations, descriptor set) are found from here, so that the same
 * code works from src (jest) and from dist (everything else).
 */
export function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('package.json not found above the program: reinstall Onhand');
    folder = parent;
  }
  return folder;
}
