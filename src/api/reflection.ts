import type { Server, ServerDuplexStream } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type {
  ServerReflectionRequest,
  ServerReflectionResponse,
} from '../gen/grpc/grpc/reflection/v1/reflection.js';
import { ServerReflectionService } from '../gen/grpc/grpc/reflection/v1/reflection.js';
import type { DescriptorIndex } from './descriptor-index.js';

type Call = ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>;
type Answer = Partial<ServerReflectionResponse>;

/** Adds grpc.reflection.v1, which tells clients without the .proto files what the server speaks. */
export function addReflection(server: Server, index: DescriptorIndex): void {
  server.addService(ServerReflectionService, {
    serverReflectionInfo(call: Call) {
      call.on('data', (request: ServerReflectionRequest) => {
        call.write(respond(index, request));
      });
      call.on('end', () => call.end());
      // A stream that breaks off concerns its client only; without a listener it would end the process.
      call.on('error', () => call.end());
    },
  });
}

function respond(index: DescriptorIndex, request: ServerReflectionRequest): ServerReflectionResponse {
  return {
    validHost: request.host,
    originalRequest: request,
    fileDescriptorResponse: undefined,
    allExtensionNumbersResponse: undefined,
    listServicesResponse: undefined,
    errorResponse: undefined,
    ...answer(index, request),
  };
}

function answer(index: DescriptorIndex, request: ServerReflectionRequest): Answer {
  const { fileByFilename, fileContainingSymbol, listServices } = request;
  if (fileByFilename !== undefined) {
    return files(index, fileByFilename, `No file ${fileByFilename}`);
  }
  if (fileContainingSymbol !== undefined) {
    const file = index.fileOfSymbol(fileContainingSymbol);
    return files(index, file, `No symbol ${fileContainingSymbol}`);
  }
  if (listServices !== undefined) {
    return { listServicesResponse: { service: index.services.map((name) => ({ name })) } };
  }
  if (request.fileContainingExtension !== undefined || request.allExtensionNumbersOfType !== undefined) {
    return failure(status.NOT_FOUND, 'No message of this server has extensions');
  }
  return failure(status.INVALID_ARGUMENT, 'The request asks nothing');
}

function files(index: DescriptorIndex, name: string | undefined, otherwise: string): Answer {
  const found = name === undefined ? undefined : index.fileAndImports(name);
  if (found === undefined) return failure(status.NOT_FOUND, otherwise);
  return { fileDescriptorResponse: { fileDescriptorProto: found } };
}

function failure(errorCode: number, errorMessage: string): Answer {
  return { errorResponse: { errorCode, errorMessage } };
}
