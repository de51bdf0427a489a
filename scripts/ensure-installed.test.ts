import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { missingEntries } from "./mend-lockfile.ts";
import { root } from "./repository.ts";

interface InstallState {
  lockfile: string;
  stamp: string | undefined;
  installed: string | undefined;
}

// Plain JavaScript, because it runs before anything is installed: its types are stated here.
const { installFault } = (await import(join(root, "scripts/ensure-installed.mjs"))) as {
  installFault: (state: InstallState) => string | undefined;
};

const lockfile = JSON.stringify({
  packages: {
    "": { name: "warmpath" },
    runtime: { name: "@warmpath/runtime" },
    "node_modules/@warmpath/runtime": { link: true },
    "node_modules/a": { version: "1.0.0", integrity: "sha512-a" },
    "node_modules/a-darwin": { version: "1.0.0", optional: true },
  },
});

function installed(packages: Record<string, unknown>): string {
  return JSON.stringify({ packages });
}

test("without installed packages everything is missing", () => {
  expect(installFault({ lockfile, stamp: undefined, installed: undefined })).toContain(
    "no packages",
  );
});

test("what npm installed by hand is accepted without a stamp", () => {
  const same = installed({ "node_modules/a": { version: "1.0.0", integrity: "sha512-a" } });
  expect(installFault({ lockfile, stamp: undefined, installed: same })).toBeUndefined();
});

test("another version or another content of a package asks for an install, by name", () => {
  for (const entry of [
    { version: "0.9.0", integrity: "sha512-a" },
    { version: "1.0.0", integrity: "sha512-b" },
  ]) {
    const stale = installed({ "node_modules/a": entry });
    expect(installFault({ lockfile, stamp: "old", installed: stale })).toStartWith("a is not");
  }
});

test("a stamp of this very lockfile is believed", () => {
  const stamp = createHash("sha256").update(lockfile).digest("hex");
  expect(installFault({ lockfile, stamp, installed: installed({}) })).toBeUndefined();
});

test("an optional package without an entry gets one that names its system", () => {
  const optionalDependencies = { "@x/tool-linux-x64-musl": "2.0.0", "@x/tool-win32-ia32": "2.0.0" };
  const packages = { "node_modules/tool": { version: "2.0.0", dev: true, optionalDependencies } };
  expect(missingEntries({ packages })).toEqual({
    "node_modules/@x/tool-linux-x64-musl": {
      version: "2.0.0",
      cpu: ["x64"],
      dev: true,
      libc: ["musl"],
      optional: true,
      os: ["linux"],
    },
    "node_modules/@x/tool-win32-ia32": {
      version: "2.0.0",
      cpu: ["ia32"],
      dev: true,
      optional: true,
      os: ["win32"],
    },
  });
});

test("the tracked lockfile needs no completing", () => {
  const tracked = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  expect(missingEntries(tracked)).toEqual({});
});
