import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A process of the system under test. */
export interface Launched {
  readonly pid: number;
  readonly exited: Promise<number>;
  exitCode(): number | undefined;
  output(): string;
  /** SIGKILL, and wait. */
  kill9(): Promise<void>;
  /** SIGTERM, and SIGKILL if that is not enough. */
  stop(): Promise<void>;
  /** Stops reading its output. */
  forget(): void;
}

/** Makes a process end when the test that started it is gone, however it went. */
const endWithParent = fileURLToPath(new URL("../scripts/end-with-parent.ts", import.meta.url));

const stopTimeoutMs = 20_000;
const outputCharsMax = 2_000_000;

/** Starts a Bun process and keeps what it writes. */
export function launch(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Launched {
  const child = Bun.spawn([process.execPath, "--preload", endWithParent, ...command], {
    env: { ...process.env, BUN_CONFIG_MAX_HTTP_REQUESTS: "65535", ...env },
    // A pipe that stays open: children of ours end when it closes.
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  let output = "";
  let reading = true;
  const read = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      if (reading && output.length < outputCharsMax) {
        output += decoder.decode(chunk, { stream: true });
      }
    }
  };
  void read(child.stdout);
  void read(child.stderr);
  return {
    pid: child.pid,
    exited: child.exited,
    exitCode: () => child.exitCode ?? (child.signalCode === null ? undefined : 128),
    output: () => output,
    kill9: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
    stop: async () => {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
      await child.exited;
      clearTimeout(timer);
    },
    forget: () => {
      reading = false;
    },
  };
}

/** Pids of a process's children, their children, and so on. Linux only. */
export function descendantsOf(pid: number): number[] {
  const parentOf = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    const child = Number(entry);
    if (Number.isInteger(child)) {
      const parent = parentPid(child);
      if (parent !== undefined) {
        parentOf.set(child, parent);
      }
    }
  }
  const found: number[] = [];
  let frontier = [pid];
  while (frontier.length > 0) {
    const next = [...parentOf]
      .filter(([, parent]) => frontier.includes(parent))
      .map(([child]) => child);
    found.push(...next);
    frontier = next;
  }
  return found;
}

/** True while the process runs; a zombie does not. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    // No such process.
    return false;
  }
}

function parentPid(pid: number): number | undefined {
  try {
    const match = readFileSync(`/proc/${pid}/status`, "utf8").match(/^PPid:\s+(\d+)/m);
    return match === null ? undefined : Number(match[1]);
  } catch {
    // Ended between the listing and the reading.
    return undefined;
  }
}
