import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";
import { health, reflection } from "@warmpath/proto/grpc";

/** Code of an ErrorResponse for something that is not here (gRPC's NOT_FOUND). */
const notFound = 5;
const unimplemented = 12;

/**
 * grpc.reflection.v1 over the descriptors of the mounted services, so that tools need no .proto
 * files.
 */
export function mountReflection(router: ConnectRouter, served: readonly DescService[]): void {
  const services = [...served, health.Health, reflection.ServerReflection];
  const files = filesOf(services);
  const fileOfSymbol = symbolsOf(files.values());
  router.service(reflection.ServerReflection, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        const messageResponse = answer(request.messageRequest, services, files, fileOfSymbol);
        yield { validHost: request.host, originalRequest: request, messageResponse };
      }
    },
  });
}

type Question = reflection.ServerReflectionRequest["messageRequest"];
type Answer = reflection.ServerReflectionResponse["messageResponse"];

function answer(
  question: Question,
  services: readonly DescService[],
  files: ReadonlyMap<string, DescFile>,
  fileOfSymbol: ReadonlyMap<string, DescFile>,
): Answer {
  switch (question.case) {
    case "listServices": {
      const names = services.map(({ typeName }) => ({ name: typeName }));
      return listServices(names);
    }
    case "fileByFilename":
      return fileAnswer(files.get(question.value), question.value);
    case "fileContainingSymbol":
      return fileAnswer(fileOfSymbol.get(question.value), question.value);
    case "fileContainingExtension":
    case "allExtensionNumbersOfType":
      return failure(notFound, "no extensions are served");
    default:
      return failure(unimplemented, "unknown question");
  }
}

function listServices(service: { name: string }[]): Answer {
  return {
    case: "listServicesResponse",
    value: {
      $typeName: "grpc.reflection.v1.ListServiceResponse",
      service: service.map(({ name }) => ({
        $typeName: "grpc.reflection.v1.ServiceResponse",
        name,
      })),
    },
  };
}

/**
 * A file with everything it imports, dependencies first, which saves the asker a question for each.
 */
function fileAnswer(file: DescFile | undefined, asked: string): Answer {
  if (file === undefined) {
    return failure(notFound, `${asked} is not served here`);
  }
  const closure = new Map<string, DescFile>();
  addWithImports(file, closure);
  return {
    case: "fileDescriptorResponse",
    value: {
      $typeName: "grpc.reflection.v1.FileDescriptorResponse",
      fileDescriptorProto: [...closure.values()].map((each) =>
        toBinary(FileDescriptorProtoSchema, each.proto),
      ),
    },
  };
}

function failure(errorCode: number, errorMessage: string): Answer {
  return {
    case: "errorResponse",
    value: { $typeName: "grpc.reflection.v1.ErrorResponse", errorCode, errorMessage },
  };
}

function filesOf(services: readonly DescService[]): Map<string, DescFile> {
  const files = new Map<string, DescFile>();
  for (const service of services) {
    addWithImports(service.file, files);
  }
  return files;
}

function addWithImports(file: DescFile, files: Map<string, DescFile>): void {
  if (files.has(file.proto.name)) {
    return;
  }
  for (const dependency of file.dependencies) {
    addWithImports(dependency, files);
  }
  files.set(file.proto.name, file);
}

function symbolsOf(files: Iterable<DescFile>): Map<string, DescFile> {
  const symbols = new Map<string, DescFile>();
  for (const file of files) {
    const types = [...file.messages, ...file.enums, ...file.services, ...file.extensions];
    for (const { typeName } of types) {
      symbols.set(typeName, file);
    }
    for (const service of file.services) {
      for (const method of service.methods) {
        symbols.set(`${service.typeName}.${method.name}`, file);
      }
    }
    for (const message of file.messages) {
      addNested(message, file, symbols);
    }
  }
  return symbols;
}

function addNested(
  message: DescFile["messages"][number],
  file: DescFile,
  symbols: Map<string, DescFile>,
): void {
  for (const each of [...message.nestedMessages, ...message.nestedEnums]) {
    symbols.set(each.typeName, file);
  }
  for (const each of message.nestedMessages) {
    addNested(each, file, symbols);
  }
}
