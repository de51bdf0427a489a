// Starts programs from an image's root as a container runtime would: a process tree, mounts and a
// user of its own, nothing writable but what is named. The network is the host's.

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { BuiltImage } from "./builder.ts";

/** What a container is given beside its image. */
export interface ContainerOptions {
  readonly entrypoint?: readonly string[];
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Folders of the host, by where they appear. */
  readonly mounts?: Readonly<Record<string, string>>;
}

/** How a container ended, and how long that took. */
export interface Ending {
  readonly exitCode: number;
  readonly ms: number;
}

/** A running container. */
export interface Container {
  /** What it wrote so far, both streams. */
  said(): string;
  ended(): boolean;
  /** Lines of the kernel about its first process, such as `CapEff`. */
  status(name: string): string;
  /** SIGTERM to the first process; SIGKILL after `graceMs`. */
  stop(graceMs: number): Promise<Ending>;
  readonly exited: Promise<number>;
}

// $1 is the root; pairs of place and folder follow up to "--", then user, group, working directory
// and the command. Everything from here on is process 1 of the container.
const prepare = `
set -eu
root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755,size=64k dev "$root/dev"
for device in null zero random urandom; do : >"$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
mount -t tmpfs -o mode=1777,size=64m tmp "$root/tmp"
while [ "$1" != -- ]; do mkdir -p "$root$1"; mount --bind "$2" "$root$1"; shift 2; done
shift
mount -o remount,bind,ro "$root"
user=$1 group=$2 folder=$3; shift 3
exec setpriv --no-new-privs nsenter --root="$root" --wdns="$folder" --setuid "$user" --setgid "$group" -- "$@"
`;

// $1 is unshare, whose one child is process 1 of the container. Reading to the end of the input is
// waiting for this process to be gone; the kernel's own way, a signal at the parent's death, is
// lost when the user changes.
const watch = 'cat >/dev/null; kill -KILL $(cat "/proc/$1/task/$1/children")';

/** Starts a container; it ends with this process, however that ends. */
export function start(image: BuiltImage, options: ContainerOptions): Container {
  const { config, rootDir } = image;
  for (const folder of ["proc", "dev", "tmp"]) {
    mkdirSync(join(rootDir, folder), { recursive: true });
  }
  const [user = "", group = user] = (config.User ?? "").split(":");
  const command = [...(options.entrypoint ?? config.Entrypoint ?? []), ...options.args];
  const mounts = Object.entries(options.mounts ?? {}).flat();
  const inside = [rootDir, ...mounts, "--", user, group, config.WorkingDir ?? "/", ...command];
  const child = Bun.spawn(
    [...["unshare", "--mount", "--pid", "--fork"], ...["sh", "-c", prepare, "sh", ...inside]],
    {
      env: { ...Object.fromEntries((config.Env ?? []).map(pair)), ...options.env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  let said = "";
  const keep = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      said += decoder.decode(chunk, { stream: true });
    }
  };
  const guard = Bun.spawn(["sh", "-c", watch, "sh", String(child.pid)], { stdin: "pipe" });
  const read = Promise.all([keep(child.stdout), keep(child.stderr)]);
  const exited = child.exited.then(async (code) => {
    guard.kill();
    await read;
    return code;
  });
  // The one child of unshare is process 1 of the container.
  const firstProcess = () => {
    const list = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8");
    return Number(list.trim().split(" ")[0]);
  };
  return {
    said: () => said,
    ended: () => child.exitCode !== null || child.signalCode !== null,
    status(name) {
      const text = readFileSync(`/proc/${firstProcess()}/status`, "utf8");
      return new RegExp(`^${name}:\\s+(.*)$`, "m").exec(text)?.[1] ?? "";
    },
    async stop(graceMs) {
      const startedAtMs = performance.now();
      if (child.exitCode === null && child.signalCode === null) {
        process.kill(firstProcess(), "SIGTERM");
      }
      const killer = setTimeout(() => process.kill(firstProcess(), "SIGKILL"), graceMs);
      const exitCode = await exited;
      clearTimeout(killer);
      return { exitCode, ms: Math.round(performance.now() - startedAtMs) };
    },
    exited,
  };
}

/** Runs a command in a container of its own to its end. */
export async function runToEnd(
  image: BuiltImage,
  options: ContainerOptions,
): Promise<{ readonly exitCode: number; readonly said: string }> {
  const container = start(image, options);
  const exitCode = await container.exited;
  return { exitCode, said: container.said() };
}

function pair(assignment: string): [string, string] {
  const at = assignment.indexOf("=");
  return [assignment.slice(0, at), assignment.slice(at + 1)];
}
