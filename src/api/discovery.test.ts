import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { Client, ClientDuplexStream, GrpcObject, ServiceClientConstructor } from '@grpc/grpc-js';
import { credentials, loadPackageDefinition, status } from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { protoPath as healthProtoPath } from 'grpc-health-check';
import { poll } from '../dev/poll.js';
import { projectRoot } from '../project-root.js';
import { createLogger } from '../telemetry/logger.js';
import { SERVICE_NAME } from './rpcs.js';
import { type StartedApi, startTestApi } from './started-api.js';

interface ReflectionAnswer {
  readonly file_descriptor_response?: { readonly file_descriptor_proto: Buffer[] };
  readonly list_services_response?: { readonly service: { readonly name: string }[] };
  readonly error_response?: { readonly error_code: number };
}

let started: StartedApi;
const clients: Client[] = [];

beforeAll(async () => {
  started = await startTestApi();
});

afterAll(async () => {
  for (const client of clients) client.close();
  await started.stop();
});

/** A client as somebody makes one who has only descriptors. */
function clientOf(root: GrpcObject, name: string): Client & Record<string, (...args: unknown[]) => unknown> {
  const Service = name.split('.').reduce<unknown>((scope, part) => (scope as GrpcObject)[part], root);
  const client = new (Service as ServiceClientConstructor)(started.grpcAddress, credentials.createInsecure());
  clients.push(client);
  return client as ReturnType<typeof clientOf>;
}

const unary = (client: ReturnType<typeof clientOf>, method: string, request: object) =>
  new Promise<Record<string, unknown>>((resolve, reject) => {
    client[method]!(request, (error: Error | null, response: Record<string, unknown>) =>
      error === null ? resolve(response) : reject(error),
    );
  });

describe('reflection', () => {
  /** Sends all requests on one stream, and gives the answers in order. */
  async function ask(requests: readonly object[]): Promise<ReflectionAnswer[]> {
    const proto = loadSync('grpc/reflection/v1/reflection.proto', {
      includeDirs: [join(projectRoot(), 'proto')],
      keepCase: true,
    });
    const client = clientOf(loadPackageDefinition(proto), 'grpc.reflection.v1.ServerReflection');
    const call = client.ServerReflectionInfo!() as ClientDuplexStream<object, ReflectionAnswer>;
    for (const request of requests) call.write(request);
    call.end();
    const answers: ReflectionAnswer[] = [];
    for await (const answer of call) answers.push(answer as ReflectionAnswer);
    return answers;
  }

  const namesIn = (answer: ReflectionAnswer | undefined) =>
    answer?.file_descriptor_response?.file_descriptor_proto.map(
      (bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name,
    );

  test('lists every service, the discovering ones too', async () => {
    const [answer] = await ask([{ list_services: '*' }]);
    expect(answer?.list_services_response?.service.map(({ name }) => name).sort()).toEqual([
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      SERVICE_NAME,
    ]);
  });

  test('gives a file with all that it imports, by name and by symbol, in the order asked', async () => {
    const symbols = [SERVICE_NAME, `${SERVICE_NAME}.Sell`, 'inventory.v1.GetRequest.store_id'];
    const answers = await ask([
      { file_by_filename: 'inventory/v1/inventory.proto' },
      ...symbols.map((symbol) => ({ file_containing_symbol: symbol })),
      { file_containing_symbol: 'inventory.v1.SOURCE_PRIMARY' },
      { file_containing_symbol: 'nothing.Here' },
      { file_by_filename: 'nothing.proto' },
      { all_extension_numbers_of_type: 'inventory.v1.Stock' },
      {},
    ]);
    const model = [
      'google/protobuf/timestamp.proto',
      'inventory/v1/error_reason.proto',
      'inventory/v1/inventory.proto',
    ];
    expect(namesIn(answers[0])?.sort()).toEqual(model);
    for (const answer of answers.slice(1, 4)) {
      expect(namesIn(answer)).toEqual(
        expect.arrayContaining([...model, 'inventory/v1/inventory_service.proto']),
      );
    }
    expect(namesIn(answers[4])).toContain('inventory/v1/inventory.proto');
    const codes = answers.slice(5).map((answer) => answer.error_response?.error_code);
    expect(codes).toEqual([status.NOT_FOUND, status.NOT_FOUND, status.NOT_FOUND, status.INVALID_ARGUMENT]);
  });

  test.each([
    [SERVICE_NAME, 'Restock', { store_id: 'S', product_id: 'P', quantity: 3 }, { quantity_before: 0 }],
    ['grpc.health.v1.Health', 'Check', { service: '' }, { status: 'SERVING' }],
  ])('is enough to call %s', async (service, method, request, expected) => {
    const [answer] = await ask([{ file_containing_symbol: service }]);
    const files = answer?.file_descriptor_response?.file_descriptor_proto ?? [];
    const file = files.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
    const set = Buffer.from(toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file })));
    const definition = loadFileDescriptorSetFromBuffer(set, {
      keepCase: true,
      enums: String,
      defaults: true,
    });
    const client = clientOf(loadPackageDefinition(definition), service);
    expect(await unary(client, method, request)).toMatchObject(expected);
  });
});

describe('health', () => {
  test('follows readiness and writability, over gRPC and HTTP', async () => {
    const root = loadPackageDefinition(loadSync(healthProtoPath, { enums: String }));
    const client = clientOf(root, 'grpc.health.v1.Health');
    const becomes = async (service: string, wanted: string) =>
      await poll(async () => {
        const answer = await unary(client, 'Check', { service });
        return answer.status === wanted ? wanted : undefined;
      }, 5_000);
    const readyz = async () => {
      const response = await fetch(`${started.httpUrl}/readyz`);
      return { status: response.status, body: await response.json() };
    };
    const writes = `${SERVICE_NAME}/writes`;
    for (const service of ['', SERVICE_NAME, writes])
      expect(await becomes(service, 'SERVING')).toBe('SERVING');
    expect(await readyz()).toEqual({ status: 200, body: { status: 'ok' } });

    started.health.writable = false;
    expect(await becomes(writes, 'NOT_SERVING')).toBe('NOT_SERVING');
    expect(await becomes(SERVICE_NAME, 'SERVING')).toBe('SERVING');
    started.health.ready = false;
    expect(await becomes(SERVICE_NAME, 'NOT_SERVING')).toBe('NOT_SERVING');
    expect(await readyz()).toMatchObject({ status: 503, body: { reason: 'No database answers reads' } });
    expect((await fetch(`${started.httpUrl}/healthz`)).status).toBe(200);
    Object.assign(started.health, { ready: true, writable: true });
    expect(await becomes('', 'SERVING')).toBe('SERVING');
  });
});

test('a taken port is named', async () => {
  const { startHttpServer } = await import('./http.js');
  const { startGrpcServer } = await import('./grpc.js');
  const nothing = {} as never;
  const grpcPort = started.api.grpcPort;
  const httpPort = started.api.httpPort;
  await expect(
    startGrpcServer({ host: '127.0.0.1', port: grpcPort, calls: nothing, services: [] }),
  ).rejects.toMatchObject({ code: 'EADDRINUSE', message: expect.stringContaining(`127.0.0.1:${grpcPort}`) });
  const logger = createLogger('silent');
  const options = { calls: nothing, readiness: nothing, corsOrigins: [], logger };
  await expect(startHttpServer({ host: '127.0.0.1', port: httpPort, ...options })).rejects.toMatchObject({
    code: 'EADDRINUSE',
    message: expect.stringContaining(`127.0.0.1:${httpPort}`),
  });
});
