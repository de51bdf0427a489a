import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after, systemClock, WarmpathError } from "./base/index.ts";

/** A process that ours depends on. */
export interface ChildOptions {
  /** Absolute path of the script; it is run by the same Bun as this process. */
  readonly script: string;
  readonly args?: readonly string[];
  /** The child's whole environment; nothing is inherited that is not named here. */
  readonly env?: Readonly<Record<string, string>>;
  /** Takes each line of standard output after the first, and each line of standard error. */
  readonly onLine?: (line: string) => void;
  /** Called once when the child ends by itself, not by `stop`. */
  readonly onExit?: (status: string) => void;
}

/** A running child, which ends when we do: its standard input is a pipe that only we hold open. */
export interface Child {
  readonly pid: number;
  /** The first line of standard output, by which the child says that it is ready and where. */
  readonly ready: Promise<string>;
  /** Closes the pipe, waits for the child to end, and kills it after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

/** The last lines of a child that died are its obituary. */
const lastLinesMax = 20;

/** Starts a child; a failure to become ready rejects `ready` with what the child printed last. */
export async function spawnChild(options: ChildOptions): Promise<Child> {
  const process_ = spawn(process.execPath, [options.script, ...(options.args ?? [])], {
    stdio: ["pipe", "pipe", "pipe"],
    // A group of its own: a signal at the terminal is for us, and we end our children when nobody
    // needs them.
    detached: true,
    env: { ...options.env },
  });
  // Writing to a child that has gone is no news: its exit is.
  process_.stdin.on("error", () => undefined);
  let isStopping = false;
  const exited = new Promise<string>((resolve) => {
    process_.once("error", (error) => resolve(`could not start: ${error.message}`));
    process_.once("exit", (code, signal) => resolve(signal ?? `status ${code}`));
  });
  const ready = firstLine(process_, exited, options);
  // Whoever started the child may look at `ready` later, or never.
  ready.catch(() => undefined);
  void exited.then((status) => {
    if (!isStopping) {
      options.onExit?.(status);
    }
  });
  return {
    pid: process_.pid ?? 0,
    ready,
    async stop(graceMs) {
      isStopping = true;
      process_.stdin.end();
      const timer = after(systemClock, graceMs, () => process_.kill("SIGKILL"));
      await exited;
      timer.cancel();
    },
  };
}

function firstLine(
  child: ChildProcess,
  exited: Promise<string>,
  options: ChildOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const lastLines: string[] = [];
    let isReady = false;
    const onLine = (line: string) => {
      lastLines.push(line);
      if (lastLines.length > lastLinesMax) {
        lastLines.shift();
      }
      options.onLine?.(line);
    };
    if (child.stdout === null || child.stderr === null) {
      return;
    }
    createInterface({ input: child.stderr }).on("line", onLine);
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (isReady) {
        onLine(line);
        return;
      }
      isReady = true;
      resolve(line);
    });
    void exited.then((status) => {
      const said = lastLines.length === 0 ? "" : `; it said: ${lastLines.join(" | ")}`;
      const name = options.script.split("/").at(-1) ?? options.script;
      reject(new WarmpathError("failed-child", `${name} ended (${status})${said}`));
    });
  });
}

/**
 * In a child: runs `onClose` and exits as soon as the parent closes its end of the pipe, which it
 * also does by dying, however suddenly.
 */
export function exitWhenParentCloses(onClose?: () => Promise<void> | void): void {
  let isLeaving = false;
  const leave = async () => {
    if (isLeaving) {
      return;
    }
    isLeaving = true;
    try {
      await onClose?.();
    } finally {
      process.exit(0);
    }
  };
  process.stdin.on("end", () => void leave());
  process.stdin.on("close", () => void leave());
  process.stdin.on("error", () => void leave());
  process.stdin.resume();
  // Ctrl-C reaches the whole process group: the parent decides when the children go.
  process.on("SIGINT", () => undefined);
}
