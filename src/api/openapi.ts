import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifySchema, RouteOptions } from 'fastify';
import { fastify } from 'fastify';
import type { ErrorReason } from '../domain/errors.js';
import { projectRoot } from '../project-root.js';
import type { Calls } from './call.js';
import { ERROR_TABLE, HTTP_REFUSALS } from './errors.js';
import { but, named, type Schema, text, whole } from './json-schemas.js';
import { addRest } from './rest.js';
import { problemTitle } from './rest-error.js';
import { ANSWER_EXAMPLES, errorExample } from './rest-examples.js';
import { CONDITIONAL_HEADERS } from './rest-request-schemas.js';

/** Collects the routes that are added after it; `app.swagger()` then gives the OpenAPI document of the REST ones. */
export async function addOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Onhand',
        version: packageVersion(),
        description:
          'Inventory for retail: stock per store and product that never oversells, never applies a command twice, and says ' +
          'how old every answer is. The same is served over gRPC, Connect and gRPC-Web.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/', description: 'This service' }],
      security: [],
      tags: [
        { name: 'Stocks', description: 'What stores have' },
        { name: 'Changes', description: 'Sales, restocks, batches' },
        { name: 'History', description: 'What happened' },
      ],
    },
    convertConstToEnum: false,
    refResolver: { buildLocalReference: (json, _baseUri, _fragment, index) => String(json.$id ?? index) },
    transform: ({ schema, url, route }) => ({ schema: described(schema, route), url }),
  });
}

/** The document without a service, to be kept in the repository. */
export async function openApiDocument(): Promise<object> {
  const app = fastify();
  await addOpenApi(app);
  // Nobody calls it.
  addRest(app, {} as Calls);
  await app.ready();
  return app.swagger();
}

/** The route's schema with what only the document has: examples, headers, errors. Other routes are left out. */
function described(schema: FastifySchema | undefined, { config }: RouteOptions): FastifySchema {
  if (schema?.operationId === undefined || config?.reasons === undefined) return { hide: true };
  const { 200: answer } = schema.response as { 200: Schema };
  const response = {
    ...answersOf(schema, answer, config.contentType ?? 'application/json'),
    ...errorsOf(schema, config.reasons),
  };
  return { ...schema, response };
}

function answersOf(
  { operationId, tags, headers }: FastifySchema,
  schema: Schema,
  contentType: string,
): Record<number, Schema> {
  const conditional = headers === CONDITIONAL_HEADERS;
  const done = {
    description: 'Done',
    headers: {
      ...REQUEST_ID,
      ...(conditional ? ENTITY_TAG : {}),
      ...(tags?.includes('Changes') ? REPLAYED : {}),
    },
    content: { [contentType]: { schema, examples: ANSWER_EXAMPLES[operationId!] } },
  };
  if (!conditional) return { 200: done };
  const unchanged = { description: 'It is what the caller has', type: 'null', headers: ENTITY_TAG };
  return { 200: done, 304: unchanged };
}

const REQUEST_ID = {
  'X-Request-Id': text('As the caller gave it, or as made by the service; it stands in logs.'),
};
const ENTITY_TAG = { ETag: text('The version of the stock, `-`, and when it came to be, in microseconds.') };
const REPLAYED = {
  'Idempotent-Replayed': but(text('The command was decided earlier; this is the first outcome again.'), {
    enum: ['true'],
  }),
};
const RETRY_AFTER = { 'Retry-After': whole('Seconds to wait before the next try.') };

/** One entry for each status, with an example of each reason that has it. */
function errorsOf(schema: FastifySchema, reasons: readonly ErrorReason[]): Record<number, Schema> {
  const { NOT_ACCEPTABLE, UNSUPPORTED_MEDIA_TYPE } = HTTP_REFUSALS;
  const refusals = [
    ...reasons.map((reason) => ({ reason, httpStatus: ERROR_TABLE[reason].httpStatus })),
    ...(schema.body === undefined ? [NOT_ACCEPTABLE] : [NOT_ACCEPTABLE, UNSUPPORTED_MEDIA_TYPE]),
  ];
  const byStatus = new Map<number, ErrorReason[]>();
  for (const { reason, httpStatus } of refusals) {
    byStatus.set(httpStatus, [...(byStatus.get(httpStatus) ?? []), reason]);
  }
  const entries = [...byStatus].sort(([one], [other]) => one - other);
  return Object.fromEntries(entries.map(([status, of]) => [status, errorOf(schema, status, of)]));
}

function errorOf(schema: FastifySchema, status: number, reasons: readonly ErrorReason[]): Schema {
  const { [status]: own = named('Error') } = schema.response as Record<number, Schema>;
  return {
    description: reasons.map(problemTitle).join(', or '),
    headers: { ...REQUEST_ID, ...(status === 429 || status === 503 ? RETRY_AFTER : {}) },
    content: {
      'application/json': {
        schema: own,
        examples: Object.fromEntries(
          reasons.map((reason) => [reason, { value: errorExample(reason, status) }]),
        ),
      },
    },
  };
}

function packageVersion(): string {
  const text = readFileSync(join(projectRoot(), 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
