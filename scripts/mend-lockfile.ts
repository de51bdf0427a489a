// bun scripts/mend-lockfile.ts, after a dependency changed
//
// A registry mirror may serve only one system's optional binaries. npm then leaves the others out
// of the lockfile it writes, and `npm ci` refuses that lockfile everywhere. This adds what is
// missing: name, exact version and system, so that the same lockfile installs with any registry.
// It also leaves out where packages ask for money: the lockfile names no host.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./repository.ts";

/** The part of one `packages` entry of package-lock.json that this script reads or writes. */
export interface LockEntry {
  version?: string;
  resolved?: string;
  funding?: unknown;
  link?: boolean;
  dev?: boolean;
  optional?: boolean;
  cpu?: string[];
  os?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

/** package-lock.json, version 3. */
export interface Lockfile {
  packages: Record<string, LockEntry>;
}

const systems = ["darwin", "linux", "win32", "freebsd", "android", "openharmony"];
const processors: Record<string, string> = {
  x64: "x64",
  arm64: "arm64",
  arm: "arm",
  armv7: "arm",
  ia32: "ia32",
  ppc64: "ppc64",
  riscv64: "riscv64",
  s390x: "s390x",
};

/** The optional packages that some entry names and that have no entry of their own. */
export function missingEntries(lockfile: Lockfile): Record<string, LockEntry> {
  const missing: Record<string, LockEntry> = {};
  for (const owner of Object.values(lockfile.packages)) {
    for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
      const path = `node_modules/${name}`;
      if (lockfile.packages[path] === undefined)
        missing[path] = platformEntry(name, version, owner);
    }
  }
  return missing;
}

function platformEntry(name: string, version: string, owner: LockEntry): LockEntry {
  const words = (name.split("/").at(-1) ?? name).split("-");
  const libc = words.some((word) => word.startsWith("musl"))
    ? ["musl"]
    : words.some((word) => word.startsWith("gnu"))
      ? ["glibc"]
      : undefined;
  return {
    version,
    cpu: words.flatMap((word) => processors[word] ?? []),
    ...(owner.dev ? { dev: true } : {}),
    ...(libc === undefined ? {} : { libc }),
    optional: true,
    os: words.filter((word) => systems.includes(word)),
  };
}

if (import.meta.main) {
  const path = join(root, "package-lock.json");
  // The file is npm's own, in the form that npm's documentation fixes for version 3.
  const lockfile = JSON.parse(readFileSync(path, "utf8")) as Lockfile;
  const missing = missingEntries(lockfile);
  const entries = Object.entries({ ...lockfile.packages, ...missing });
  entries.sort(([left], [right]) => left.localeCompare(right, "en"));
  for (const [, entry] of entries) delete entry.funding;
  lockfile.packages = Object.fromEntries(entries);
  writeFileSync(path, `${JSON.stringify(lockfile, null, 2)}\n`);
  console.log(`${Object.keys(missing).length} entries added to package-lock.json`);
}
