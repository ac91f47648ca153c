import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { projectRoot } from '../src/project-root.js';

/** A web server of somebody else's, with one page. */
export interface StaticOrigin {
  readonly port: number;
  stop(): Promise<void>;
}

const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript' };

/** Builds test/other-origin and serves it on a free port of all of loopback's names. */
export async function startStaticOrigin(): Promise<StaticOrigin> {
  const folder = mkdtempSync(join(tmpdir(), 'onhand-origin-'));
  build(folder);
  const server = createServer((request, response) => {
    const path = normalize(request.url === '/' ? '/index.html' : request.url!);
    response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream');
    response.end(readFileSync(join(folder, path)));
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true });
    },
  };
}

function build(folder: string): void {
  const vite = ['node_modules/vite/bin/vite.js', 'build', 'test/other-origin'];
  const result = spawnSync(process.execPath, [...vite, '--outDir', folder, '--emptyOutDir'], {
    cwd: projectRoot(),
    encoding: 'utf8',
  });
  if (result.status !== 0) throw new Error(`vite build test/other-origin: ${result.stderr}`);
}
