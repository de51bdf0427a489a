/** Processes inside pods: started, read line by line, signalled, and gone when the run is over. */
import { createWriteStream } from "node:fs";
import { tmpdir } from "node:os";
import { namespaceOf } from "./namespaces.ts";

/** How a process is started. */
export interface ProcessOptions {
  /** The pod it runs in; undefined: beside the pods. */
  readonly pod: string | undefined;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly cwd?: string;
  /** File that gets what it writes. */
  readonly log: string;
  readonly onLine?: (line: string) => void;
}

/** A started process. */
export interface Running {
  readonly pid: number;
  readonly exited: Promise<number>;
  isRunning(): boolean;
  write(line: string): void;
  signal(name: NodeJS.Signals): void;
  /** Closes its input, asks it to end, and kills it if it does not in time. */
  stop(graceMs?: number): Promise<number>;
}

const stopGraceMs = 3000;

/** Starts it; nothing of this process's own environment but what a program needs is handed on. */
export function startProcess(options: ProcessOptions): Running {
  const { pod, uid } = options;
  // Both replace themselves by the command, so the signals of this process reach it.
  const inPod = pod === undefined ? [] : ["ip", "netns", "exec", namespaceOf(pod)];
  const asUser = uid === undefined ? [] : ["setpriv", "--reuid", String(uid), "--clear-groups"];
  const child = Bun.spawn([...inPod, ...asUser, ...options.command], {
    env: { PATH: process.env["PATH"] ?? "", HOME: "/tmp", TMPDIR: tmpdir(), ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  const log = createWriteStream(options.log, { flags: "a" });
  const read = async (stream: ReadableStream<Uint8Array>, onLine: (line: string) => void) => {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of stream) {
      log.write(chunk);
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      lines.forEach(onLine);
    }
  };
  const onLine = options.onLine ?? (() => undefined);
  void read(child.stdout, onLine);
  void read(child.stderr, () => undefined);
  return {
    pid: child.pid,
    exited: child.exited,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    write: (line) => {
      void child.stdin.write(`${line}\n`);
      void child.stdin.flush();
    },
    signal: (name) => child.kill(name),
    stop: async (graceMs = stopGraceMs) => {
      void child.stdin.end();
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
      const status = await child.exited;
      clearTimeout(timer);
      return status;
    },
  };
}
