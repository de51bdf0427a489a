import { writeFileSync } from "node:fs";
import { create, type DescFile, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { AgentService } from "@warmpath/proto/gateway";
import { InferenceService } from "@warmpath/proto/inference";

/**
 * Writes the contracts of gateway and inference proxy, with all they import, as the descriptor set
 * that k6 loads. It is made from the generated code, so it is what this checkout serves, and needs
 * neither buf nor a network.
 */
export function writeProtoset(path: string): void {
  const files = new Map<string, DescFile>();
  for (const service of [AgentService, InferenceService]) collect(service.file, files);
  const file = [...files.values()].map(({ proto }) => proto);
  writeFileSync(path, toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file })));
}

/** Imports before importers, as readers of descriptor sets expect. */
function collect(file: DescFile, into: Map<string, DescFile>): void {
  if (into.has(file.proto.name)) return;
  for (const dependency of file.dependencies) collect(dependency, into);
  into.set(file.proto.name, file);
}
