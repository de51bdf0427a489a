import { existsSync, globSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { depsFolder, runCommand } from "../../../scripts/repository.ts";

/** Where rivals are installed; ignored by git, safe to delete. */
export const rivalsFolder = join(depsFolder, "rivals");

/** A slow network still gets a gigabyte of wheels in this time. */
const installMsMax = 600_000;
const versionMsMax = 60_000;

/**
 * Installs into a folder that takes its place only when everything is there, so that an interrupted
 * installation is begun anew and never half used.
 */
async function installWhole(name: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const folder = join(rivalsFolder, name);
  if (existsSync(join(folder, completeMark))) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await fill(folder);
  writeFileSync(join(folder, completeMark), "");
}

const completeMark = ".complete";

/** A folder that {@link installWhole} finished; undefined when there is none. */
export function installedFolder(name: string): string | undefined {
  const folder = join(rivalsFolder, name);
  return existsSync(join(folder, completeMark)) ? folder : undefined;
}

/** A Python virtual environment with one pinned requirement. */
export function installWheel(name: string, requirement: string): Promise<void> {
  return installWhole(name, async (folder) => {
    const python = Bun.which("python3");
    if (python === null) throw new Error("python3 is not installed");
    // A virtual environment remembers where it was made, so it is made in its place.
    await run([python, "-m", "venv", join(folder, "venv")]);
    const pip = join(folder, "venv/bin/pip");
    await run([
      pip,
      "install",
      "--no-input",
      "--disable-pip-version-check",
      "--quiet",
      requirement,
    ]);
  });
}

/** npm packages by a manifest with pinned versions. */
export function installNpm(name: string, manifest: object): Promise<void> {
  return installWhole(name, async (folder) => {
    const npm = Bun.which("npm");
    if (npm === null) throw new Error("npm is not installed");
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, ...manifest }));
    await run([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"], folder);
  });
}

/**
 * Debian packages, unpacked and not installed: no root, no service, nothing outside the folder. The
 * first package is the program, the others what it needs beyond a plain system.
 */
export function unpackDebian(name: string, packages: readonly string[]): Promise<void> {
  return installWhole(name, async (folder) => {
    if (Bun.which("apt-get") === null || Bun.which("dpkg") === null) {
      throw new Error(`${packages[0]} is taken from Debian, and this is no Debian`);
    }
    const download = ["apt-get", "download", ...packages];
    try {
      await run(download, folder);
    } catch (error) {
      if (process.getuid?.() !== 0) throw error;
      // A fresh machine has no lists yet.
      await run(["apt-get", "update", "-qq"]);
      await run(download, folder);
    }
    for (const file of globSync(join(folder, "*.deb"))) {
      await run(["dpkg", "-x", file, join(folder, "root")]);
      rmSync(file);
    }
  });
}

/** A Go program of this repository, built from its own go.mod with pinned modules. */
export function buildGo(name: string, sourceFolder: string): Promise<void> {
  return installWhole(name, async (folder) => {
    const go = goProgram();
    if (go === undefined) throw new Error("Go is not installed");
    const built = join(folder, `${name}.new`);
    await run([go, "build", "-mod=readonly", "-o", built, "."], sourceFolder);
    renameSync(built, join(folder, name));
  });
}

/** A Go program of somebody else's module. */
export function buildGoModule(
  name: string,
  wanted: { readonly module: string; readonly version: string; readonly program: string },
): Promise<void> {
  return installWhole(name, async (folder) => {
    const go = goProgram();
    if (go === undefined) throw new Error("Go is not installed");
    const { module, version, program } = wanted;
    // A module of our own around it: `go install` would ask for lists that a partial mirror
    // refuses.
    writeFileSync(
      join(folder, "go.mod"),
      `module warmpath.local/${name}\n\ngo 1.25\n\nrequire ${module} ${version}\n`,
    );
    await run([go, "build", "-mod=mod", "-o", name, `${module}/${program}`], folder);
  });
}

/** The Go tool, on the PATH or where its own installer puts it. */
function goProgram(): string | undefined {
  const onPath = Bun.which("go");
  if (onPath !== null) return onPath;
  return existsSync("/usr/local/go/bin/go") ? "/usr/local/go/bin/go" : undefined;
}

/** What a program prints about itself; undefined when it does not start. */
export async function askProgram(
  command: readonly string[],
  env: Record<string, string> = {},
): Promise<string | undefined> {
  const result = await runCommand(command, { env, timeoutMs: versionMsMax });
  return result.exitCode === 0 ? result.text.trim() : undefined;
}

async function run(command: readonly string[], cwd?: string): Promise<void> {
  const result = await runCommand(command, {
    timeoutMs: installMsMax,
    env: { DEBIAN_FRONTEND: "noninteractive" },
    ...(cwd === undefined ? {} : { cwd }),
  });
  if (result.exitCode === 0) return;
  const lastLine = result.text.trim().split("\n").at(-1) ?? "";
  throw new Error(`${basename(command[0] ?? "")} ${command[1]} failed: ${lastLine.trim()}`);
}
