import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

/** One running program of the control plane. */
export interface RunningProgram {
  readonly name: string;
  /** The end of its log, for a fault's report. */
  tail(): string;
  /** Throws with the end of its log once it has ended by itself. */
  assertRunning(): void;
  /** Ends it at once and waits until it is gone. */
  kill(): Promise<void>;
}

// Reading to the end of the input is waiting for this process to be gone, by whatever signal.
const watch = 'cat >/dev/null; kill -KILL "$1"';

/** Starts a program whose output goes to `<dir>/<name>.log`; it ends with this process. */
export function startProgram(
  name: string,
  command: readonly string[],
  dir: string,
): RunningProgram {
  const logPath = join(dir, `${name}.log`);
  const log = openSync(logPath, "w");
  const child = Bun.spawn([...command], { cwd: dir, stdin: "ignore", stdout: log, stderr: log });
  closeSync(log);
  // Whatever ends this process ends the program too: nothing of a proof outlives it.
  const guard = Bun.spawn(["sh", "-c", watch, "sh", String(child.pid)], { stdin: "pipe" });
  // Its number may be another's from then on.
  void child.exited.then(() => guard.kill("SIGKILL"));
  const killNow = () => child.kill("SIGKILL");
  process.once("exit", killNow);
  const tail = () => readFileSync(logPath, "utf8").split("\n").slice(-12).join("\n");
  return {
    name,
    tail,
    assertRunning: () => {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`${name} has ended (${child.exitCode ?? child.signalCode}): ${tail()}`);
      }
    },
    kill: async () => {
      process.off("exit", killNow);
      killNow();
      await child.exited;
    },
  };
}

// Linux gives out ports from 32768 upwards to outgoing connections; below, a free one stays free.
const firstPort = 20_000;
const lastPort = 32_000;

/** Ports of 127.0.0.1 that nothing listens on, each once. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const found = new Set<number>();
  while (found.size < count) {
    const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort));
    if (await isFree(port)) {
      found.add(port);
    }
  }
  return [...found];
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once("error", () => resolve(false));
  server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  return promise;
}

/**
 * Asks `isTrue` until it is, a quarter of a second apart; throws `what` after `timeoutMs`.
 */
export async function until(
  what: () => string,
  timeoutMs: number,
  isTrue: () => boolean | Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await isTrue())) {
    if (performance.now() > endMs) {
      throw new Error(`not within ${timeoutMs / 1000} s: ${what()}`);
    }
    await Bun.sleep(250);
  }
}
