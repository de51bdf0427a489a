import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, runCommand } from "../../../scripts/repository.ts";

/** What an image says of itself; the members that the proof looks at. */
export interface ImageConfig {
  readonly User?: string;
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly WorkingDir?: string;
  readonly StopSignal?: string;
  readonly Labels?: Readonly<Record<string, string>>;
}

/** A built image, laid out on disk. */
export interface BuiltImage {
  readonly config: ImageConfig;
  /** Its root file system, writable; whoever starts from it makes it read-only. */
  readonly rootDir: string;
}

/** Images of our own making, in a store that nobody else sees. */
export interface Builder {
  /** Folder for what a proof writes; goes with the store. */
  readonly folder: string;
  /** Makes an image out of a folder. */
  commit(tree: string, name: string, env: readonly string[]): Promise<void>;
  /** Builds one stage of the Dockerfile, from local bases only. */
  build(target: string, volumes: readonly string[]): Promise<BuiltImage>;
  close(): void;
}

const signals = ["SIGINT", "SIGTERM"] as const;
const commandMsMax = 120_000;
// `npm ci` with an empty cache, on two busy cores.
const buildMsMax = 400_000;

/** Opens a store: with overlay where the file system has it, otherwise with copies (vfs). */
export async function openBuilder(): Promise<Builder> {
  const folder = mkdtempSync(join(tmpdir(), "warmpath-images-"));
  const store = (driver: string) => [
    "buildah",
    ...["--root", join(folder, "store"), "--runroot", join(folder, "run")],
    ...["--storage-driver", driver],
  ];
  const tried = await runCommand([...store("overlay"), "images"], { timeoutMs: commandMsMax });
  if (tried.exitCode !== 0) {
    rmSync(join(folder, "store"), { recursive: true, force: true });
  }
  const hasOverlay = tried.exitCode === 0;
  const buildah = store(hasOverlay ? "overlay" : "vfs");
  // Without a container engine a step runs in a chroot, as this user.
  const env = { BUILDAH_ISOLATION: "chroot" };
  const run = async (args: readonly string[], timeoutMs = commandMsMax): Promise<string> => {
    const result = await runCommand([...buildah, ...args], { env, timeoutMs });
    if (result.exitCode !== 0) {
      const end = result.text.trim().split("\n").slice(-12).join("\n");
      throw new Error(`buildah ${args[0]} ended with ${result.exitCode}: ${end}`);
    }
    return result.text.trim();
  };
  const removeAll = () => {
    Bun.spawnSync([...buildah, "umount", "--all"], { env: { ...process.env, ...env } });
    rmSync(folder, { recursive: true, force: true });
  };
  // What is mounted would outlive an interrupted proof.
  const onSignal = () => {
    removeAll();
    process.exit(1);
  };
  for (const signal of signals) process.once(signal, onSignal);
  const lastLine = (text: string) => text.split("\n").at(-1) ?? "";
  return {
    folder,
    async commit(tree, name, variables) {
      const container = lastLine(await run(["from", "scratch"]));
      await run(["add", "--quiet", container, tree, "/"]);
      await run(["config", ...variables.flatMap((each) => ["--env", each]), container]);
      await run(["commit", "--quiet", "--rm", container, name]);
    },
    async build(target, volumes) {
      const tag = `localhost/${target}:proof`;
      // With layers the second image takes the stage that both are made of from the first; where a
      // layer is a copy of everything below it, there would be thirty copies.
      const layers = hasOverlay ? ["--layers"] : [];
      const flags = [...layers, "--pull-never", "--network", "host", "--target", target];
      const mounts = volumes.flatMap((each) => ["--volume", each]);
      const file = ["--file", join(root, "mesh/images/Dockerfile"), root];
      await run(["build", "--quiet", ...flags, "--tag", tag, ...mounts, ...file], buildMsMax);
      const container = lastLine(await run(["from", "--pull-never", tag]));
      const inspected = JSON.parse(await run(["inspect", container])) as {
        OCIv1: { config: ImageConfig };
      };
      const rootDir = lastLine(await run(["mount", container]));
      return { config: inspected.OCIv1.config, rootDir };
    },
    close() {
      for (const signal of signals) process.off(signal, onSignal);
      removeAll();
    },
  };
}
