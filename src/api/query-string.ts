import { parse } from 'node:querystring';
import { parse as parsePlain } from 'fast-querystring';

/** No limit on fields: the length of the headers bounds how many there are. */
const ALL_FIELDS = { maxKeys: 0 };

/**
 * The fields of a query. Broken UTF-8 becomes U+FFFD, which no id may hold; Fastify's own parser, which reads the queries with
 * nothing to decode, would leave it encoded.
 */
export function parseQuery(query: string): Record<string, unknown> {
  return query.includes('%') ? parse(query, '&', '=', ALL_FIELDS) : parsePlain(query);
}
