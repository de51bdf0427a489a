// The .proto files that ours import and that others publish, fetched into .deps/proto. Buf's own
// registry is not a package registry, so they come out of the packages that carry them.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { depsFolder, root, runCommand } from "./repository.ts";

const protoFolder = join(depsFolder, "proto");

/** Import path of a .proto file => the installed package's file that it is a copy of. */
const fromNpm: Readonly<Record<string, string>> = {
  "google/rpc/error_details.proto": "google-proto-files/google/rpc/error_details.proto",
  "grpc/health/v1/health.proto": "grpc-health-check/proto/health/v1/health.proto",
  "grpc/reflection/v1/reflection.proto":
    "@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto",
};

const validateProto = "buf/validate/validate.proto";
const validateModule = "github.com/bufbuild/protovalidate";

/** Thrown when the .proto files cannot be had here; the message says what would help. */
export class ProtoDepsMissing extends Error {}

/** Fills .deps/proto with what is not there yet, or is another version. */
export async function fetchProtoDeps(): Promise<void> {
  for (const [path, source] of Object.entries(fromNpm)) {
    place(join(protoFolder, path), readFileSync(join(root, "node_modules", source), "utf8"));
  }
  await fetchValidateProto();
}

/** npm's protovalidate carries descriptors only; its Go module carries the .proto. */
async function fetchValidateProto(): Promise<void> {
  const moduleFolder = join(root, "scripts/proto-deps");
  const wanted = readFileSync(join(moduleFolder, "go.mod"), "utf8");
  const target = join(protoFolder, validateProto);
  const stamp = join(depsFolder, "proto-go.mod");
  if (existsSync(target) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  if (Bun.which("go") === null) {
    throw new ProtoDepsMissing(
      `Go is not installed, and ${validateProto} comes out of the Go module ${validateModule}: install Go 1.21 or newer.`,
    );
  }
  const download = await runCommand(["go", "mod", "download", "-json", validateModule], {
    cwd: moduleFolder,
    env: { GOFLAGS: "-mod=mod", GOTOOLCHAIN: "local" },
    timeoutMs: 120_000,
  });
  if (download.exitCode !== 0) {
    throw new ProtoDepsMissing(
      `${validateModule} could not be downloaded: ${download.text.trim()}`,
    );
  }
  // `go mod download -json` prints one object for each module named.
  const { Dir } = JSON.parse(download.text) as { Dir: string };
  place(target, readFileSync(join(Dir, "proto/protovalidate", validateProto), "utf8"));
  writeFileSync(stamp, wanted);
}

/** Writes only what differs, because another command may be reading the folder. */
function place(target: string, text: string): void {
  if (existsSync(target) && readFileSync(target, "utf8") === text) return;
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text);
}
