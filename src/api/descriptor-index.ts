import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import type { DescriptorProto, EnumDescriptorProto, FileDescriptorProto } from '@bufbuild/protobuf/wkt';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { service as healthService } from 'grpc-health-check';
import { projectRoot } from '../project-root.js';

interface DescribedFile {
  readonly descriptor: FileDescriptorProto;
  /** Exactly as it was built: decoding and encoding again could lose what this version does not know. */
  readonly bytes: Buffer;
}

/** Finds the files that describe the server's services, by file name and by the symbols in them. */
export class DescriptorIndex {
  readonly services: string[] = [];
  readonly #files = new Map<string, DescribedFile>();
  readonly #symbols = new Map<string, string>();

  /** @param files serialized google.protobuf.FileDescriptorProto messages, all that they import among them; each has a package. */
  constructor(files: readonly Buffer[]) {
    for (const bytes of files) this.#add(bytes);
  }

  /** The contract from the built descriptor set, and grpc.health.v1 from the package that serves it. */
  static ofServer(): DescriptorIndex {
    const set = readFileSync(join(projectRoot(), 'src', 'gen', 'descriptor-set.binpb'));
    const health = Object.values(healthService).flatMap((method) => messageFiles(method));
    return new DescriptorIndex([...filesOfSet(set), ...health]);
  }

  /** The file of this name and all that it imports, itself first; undefined where there is none. */
  fileAndImports(name: string): Buffer[] | undefined {
    if (!this.#files.has(name)) return undefined;
    // A set keeps its order, and takes in what is added while it is walked.
    const names = new Set([name]);
    for (const each of names) {
      for (const dependency of this.#files.get(each)!.descriptor.dependency) names.add(dependency);
    }
    return [...names].map((each) => this.#files.get(each)!.bytes);
  }

  /** The name of the file that declares a service, method, message, field, oneof, enum or enum value. */
  fileOfSymbol(symbol: string): string | undefined {
    return this.#symbols.get(symbol);
  }

  #add(bytes: Buffer): void {
    const descriptor = fromBinary(FileDescriptorProtoSchema, bytes);
    if (this.#files.has(descriptor.name)) return;
    this.#files.set(descriptor.name, { descriptor, bytes });
    const declare = (...names: string[]) => {
      this.#symbols.set(names.join('.'), descriptor.name);
    };
    const scope = descriptor.package;
    for (const service of descriptor.service) {
      this.services.push(`${scope}.${service.name}`);
      declare(scope, service.name);
      for (const method of service.method) declare(scope, service.name, method.name);
    }
    for (const message of descriptor.messageType) declareMessage(declare, scope, message);
    for (const each of descriptor.enumType) declareEnum(declare, scope, each);
    for (const extension of descriptor.extension) declare(scope, extension.name);
  }
}

type Declare = (...names: string[]) => void;

function declareMessage(declare: Declare, scope: string, message: DescriptorProto): void {
  const name = `${scope}.${message.name}`;
  declare(name);
  for (const member of [...message.field, ...message.oneofDecl, ...message.extension])
    declare(name, member.name);
  for (const nested of message.nestedType) declareMessage(declare, name, nested);
  for (const nested of message.enumType) declareEnum(declare, name, nested);
}

/** The values of an enum are declared beside it, not inside. */
function declareEnum(declare: Declare, scope: string, each: EnumDescriptorProto): void {
  declare(scope, each.name);
  for (const value of each.value) declare(scope, value.name);
}

/** The files of a serialized google.protobuf.FileDescriptorSet, each still serialized. */
function filesOfSet(set: Buffer): Buffer[] {
  const reader = new BinaryReader(set);
  const files: Buffer[] = [];
  while (reader.pos < reader.len) {
    reader.tag(); // `file` is the only field
    files.push(Buffer.from(reader.bytes()));
  }
  return files;
}

/** What the loader of .proto files keeps beside a method's request type. */
function messageFiles(method: object): Buffer[] {
  const { requestType } = method as { requestType?: { fileDescriptorProtos?: Buffer[] } };
  return requestType?.fileDescriptorProtos ?? [];
}
