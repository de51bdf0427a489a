import { create, createFileRegistry } from "@bufbuild/protobuf";
import type { GenService } from "@bufbuild/protobuf/codegenv2";
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
  type StringValueSchema,
} from "@bufbuild/protobuf/wkt";

const text = ".google.protobuf.StringValue";

/**
 * A service with all four kinds of call, made without a .proto file because the contracts have only
 * two.
 */
export const EchoService = describe();

type Text = typeof StringValueSchema;

function describe() {
  const file = create(FileDescriptorProtoSchema, {
    name: "warmpath/test/v1/echo.proto",
    package: "warmpath.test.v1",
    syntax: "proto3",
    dependency: ["google/protobuf/wrappers.proto"],
    service: [
      {
        name: "EchoService",
        method: [
          { name: "Say", inputType: text, outputType: text },
          { name: "Repeat", inputType: text, outputType: text, serverStreaming: true },
          { name: "Join", inputType: text, outputType: text, clientStreaming: true },
          {
            name: "Chat",
            inputType: text,
            outputType: text,
            clientStreaming: true,
            serverStreaming: true,
          },
        ],
      },
    ],
  });
  const registry = createFileRegistry(file, () => file_google_protobuf_wrappers);
  // The descriptor above states exactly these methods; code generation would have typed it so.
  return registry.getService("warmpath.test.v1.EchoService") as unknown as GenService<{
    say: { methodKind: "unary"; input: Text; output: Text };
    repeat: { methodKind: "server_streaming"; input: Text; output: Text };
    join: { methodKind: "client_streaming"; input: Text; output: Text };
    chat: { methodKind: "bidi_streaming"; input: Text; output: Text };
  }>;
}
