import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { projectRoot } from '../project-root.js';
import { preferredEncoding } from './accept-header.js';
import { addVary } from './compression.js';

interface PageFile {
  readonly url: string;
  readonly type: string;
  readonly bytes: Buffer;
  readonly gzipped: Buffer;
  readonly etag: string;
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The page runs its own files and asks this service; nothing comes from elsewhere, and nobody may frame it. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  ...["script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
].join('; ');

/**
 * Serves the built page of clients/web at `/`, each file at its own path. The files are read once: a build that runs
 * meanwhile cannot mix two pages. Where none is built, nothing is served there.
 */
export function addWebPage(app: FastifyInstance): void {
  const folder = join(projectRoot(), 'clients', 'web', 'dist');
  if (!existsSync(join(folder, 'index.html'))) return;
  for (const file of readPage(folder)) {
    app.get(file.url, async (request, reply) => answer(file, request, reply));
  }
}

function readPage(folder: string): PageFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && extname(entry.name) in CONTENT_TYPES)
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const url = path.slice(folder.length).replaceAll('\\', '/');
      const bytes = readFileSync(path);
      return {
        url: url === '/index.html' ? '/' : url,
        type: CONTENT_TYPES[extname(path)]!,
        bytes,
        gzipped: gzipSync(bytes),
        etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`,
      };
    });
}

function answer(file: PageFile, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.headers({
    // Every other file is named after its content.
    'cache-control': file.url === '/' ? 'no-cache' : 'public, max-age=31536000, immutable',
    'content-security-policy': CONTENT_SECURITY_POLICY,
    'cross-origin-opener-policy': 'same-origin',
    etag: file.etag,
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  });
  addVary(reply, 'Accept-Encoding');
  if (request.headers['if-none-match']?.includes(file.etag)) return reply.code(304).send();
  reply.type(file.type);
  const encoding = preferredEncoding(request.headers['accept-encoding'], ['gzip']);
  if (encoding === undefined) return reply.send(file.bytes);
  return reply.header('content-encoding', encoding).send(file.gzipped);
}
