import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ErrorObject } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { projectRoot } from '../project-root.js';

/** As much of the OpenAPI document as is needed here. */
export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, { readonly examples?: unknown[] }>> };
}

export interface OpenApiOperation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, OpenApiResponse>>;
}

interface OpenApiResponse {
  readonly content?: Readonly<
    Record<string, { readonly schema: { readonly $ref: string }; readonly examples: Examples }>
  >;
}

type Examples = Readonly<Record<string, { readonly value: unknown }>>;

/** For tests: judges answers by docs/openapi.json, and allows nothing in them that it does not name. */
export class Conformance {
  readonly document: OpenApiDocument;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });

  constructor() {
    const text = readFileSync(join(projectRoot(), 'docs', 'openapi.json'), 'utf8');
    this.document = JSON.parse(text) as OpenApiDocument;
    addFormats.default(this.#ajv);
    this.#ajv.addSchema(closed(this.document) as object, 'openapi');
  }

  /** @throws Error saying in what the answer is not what the document says; no error where it says nothing of the path. */
  check(method: string, url: string, status: number, body: string): void {
    const { pathname } = new URL(url, 'http://localhost');
    const operation = this.#operation(method.toLowerCase(), pathname);
    if (operation === undefined) return;
    const response = operation.responses[status];
    const answer = `The answer ${status} to ${method} ${pathname}`;
    if (response === undefined) throw new Error(`${answer} is not in the document: ${body}`);
    const schema = response.content?.['application/json']?.schema.$ref;
    const problems =
      schema === undefined ? (body === '' ? [] : ['it has a body']) : this.problems(schema, JSON.parse(body));
    if (problems.length > 0)
      throw new Error(`${answer} is not as documented: ${problems.join('; ')}: ${body}`);
  }

  /** What is wrong with a value by the schema at this place of the document (`#/components/schemas/Stock`). */
  problems(place: string, value: unknown): string[] {
    const validate = this.#ajv.getSchema(`openapi${place}`);
    if (validate === undefined) return [`${place} is not in the document`];
    return validate(value) === true ? [] : (validate.errors ?? []).map(sentence);
  }

  #operation(method: string, path: string): OpenApiOperation | undefined {
    const found = Object.entries(this.document.paths).find(([template]) =>
      new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`).test(path),
    );
    return found?.[1][method];
  }
}

const sentence = ({ instancePath, message, params }: ErrorObject): string =>
  `${instancePath} ${message} ${JSON.stringify(params)}`;

/** The document with every object of it closed. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, closed(each)]));
  return copy.type === 'object' && 'properties' in copy ? { additionalProperties: false, ...copy } : copy;
}
