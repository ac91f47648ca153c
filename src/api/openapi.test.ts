import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Conformance } from './conformance.js';
import { type StartedApi, startTestApi } from './started-api.js';

let started: StartedApi;
const conformance = new Conformance();

beforeAll(async () => {
  started = await startTestApi();
});
afterAll(() => started.stop());

/** What an independent validator and a linter with its strictest rules find. */
async function problemsOf(document: object): Promise<unknown[]> {
  const { valid, errors } = await new Validator().validate(structuredClone(document) as never);
  const config = await createConfig({ extends: ['recommended-strict'] });
  const found = await lintFromString({ source: JSON.stringify(document), config });
  return [...(valid ? [] : [errors]), ...found.map(({ ruleId, message }) => `${ruleId}: ${message}`)];
}

describe('the OpenAPI document', () => {
  test('is served as JSON and YAML, and is the one in the repository', async () => {
    const json = await fetch(`${started.httpUrl}/v3/api-docs`);
    expect(json.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await json.json()).toEqual(conformance.document);
    const yaml = await fetch(`${started.httpUrl}/v3/api-docs.yaml`);
    expect(yaml.headers.get('content-type')).toBe('application/yaml; charset=utf-8');
    expect(await yaml.text()).toMatch(/^openapi: 3\.1\.0\n/);
  });

  test('has no problem that an independent validator or linter finds', async () => {
    expect(await problemsOf(conformance.document)).toEqual([]);
    const { paths, ...rest } = conformance.document;
    expect(await problemsOf(rest)).not.toEqual([]);
    const unnamed = { ...conformance.document, paths: { '/x/{id}': { get: { responses: {} } } } };
    expect(await problemsOf(unnamed)).not.toEqual([]);
    expect(Object.keys(paths)).toHaveLength(9);
  });

  test('has examples that are as its schemas say, for every answer', () => {
    const answers = Object.values(conformance.document.paths)
      .flatMap((methods) => Object.values(methods))
      .flatMap(({ operationId, responses }) =>
        Object.entries(responses).flatMap(([status, { content }]) =>
          content === undefined ? [] : [{ name: `${operationId} ${status}`, ...Object.values(content)[0]! }],
        ),
      );
    expect(answers.length).toBeGreaterThan(50);
    for (const { name, schema, examples } of answers) {
      const values = Object.values(examples ?? {});
      expect([name, values.length > 0]).toEqual([name, true]);
      for (const { value } of values) {
        expect([name, conformance.problems(schema.$ref, value)]).toEqual([name, []]);
      }
    }
  });

  test('has examples of requests that are as its schemas say', () => {
    const schemas = Object.entries(conformance.document.components.schemas);
    const examples = schemas.flatMap(([name, { examples = [] }]) =>
      examples.map((value) => ({ name, value })),
    );
    expect(examples.map(({ name }) => name)).toEqual(['MovementRequest', 'SyncRequest', 'BatchGetRequest']);
    for (const { name, value } of examples) {
      expect([name, conformance.problems(`#/components/schemas/${name}`, value)]).toEqual([name, []]);
    }
  });

  test('is what answers are judged by', () => {
    const judge = (status: number, body: object) => () =>
      conformance.check('GET', '/api/v1/inventory?storeId=x', status, JSON.stringify(body));
    expect(judge(200, { success: true })).toThrow('is not as documented');
    expect(judge(418, {})).toThrow('is not in the document');
  });
});

describe('Swagger UI', () => {
  test.each([
    '/swagger-ui.html',
    '/swagger-ui.html/static/swagger-ui-bundle.js',
    '/swagger-ui.html/static/swagger-ui.css',
  ])('is served from here: %s', async (path) => {
    const response = await fetch(started.httpUrl + path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    const text = await response.text();
    if (path.endsWith('.html')) expect(text).not.toMatch(/(src|href)="https?:/);
  });
});
