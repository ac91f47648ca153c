import type { FastifyInstance } from 'fastify';
import { malformedMessage } from './errors.js';
import { RefusedRequest, refusedByHttp } from './http-refusal.js';

/** Takes bodies of JSON, and refuses those that could be read in more than one way. */
export function addJsonBody(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, text, done) => {
    const encoding = request.headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') {
      done(refusedByHttp('UNSUPPORTED_MEDIA_TYPE', 'The body must not have a Content-Encoding'));
      return;
    }
    parse(request, text, (problem, value) => {
      if (problem !== null) done(problem);
      else if (countNames(text) === countMembers(value)) done(null, value);
      else done(new RefusedRequest(malformedMessage('The body', 'it gives a field twice')));
    });
  });
}

/** Counts the names in a text that is JSON: each is followed by the only colon outside strings. */
function countNames(text: string): number {
  let names = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (inString && character === '\\') i++;
    else if (character === '"') inString = !inString;
    else if (character === ':' && !inString) names++;
  }
  return names;
}

/** Counts the members of all objects in a value; without recursion, since it may be as deep as it is long. */
function countMembers(value: unknown): number {
  let members = 0;
  const pending = [value];
  while (pending.length > 0) {
    const next = pending.pop();
    if (typeof next !== 'object' || next === null) continue;
    const values = Object.values(next);
    if (!Array.isArray(next)) members += values.length;
    for (const each of values) pending.push(each);
  }
  return members;
}
