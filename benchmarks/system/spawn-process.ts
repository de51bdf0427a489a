import { existsSync } from "node:fs";

/** A child of a bench. Its standard input is a pipe that only the bench holds open. */
export interface BenchProcess {
  readonly pid: number;
  /** The end of what it printed, for the report of one that failed. */
  said(): string;
  ended(): boolean;
  /** Asks it to end, waits, and kills it after `graceMs`. */
  stop(graceMs?: number): Promise<void>;
}

/** What to run, and where. */
export interface SpawnOptions {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Core to stay on, where `taskset` exists. */
  readonly core?: number;
  /** Sent instead of closing the input, for programs that drain on a signal. */
  readonly stopSignal?: "SIGTERM";
  readonly onFirstLine?: (line: string) => void;
}

/** Output kept for the report of a child that died. */
const lastOutputCharsMax = 4_000;

/** Starts a child without waiting for anything. */
export function spawnBackground(options: SpawnOptions): BenchProcess {
  const child = Bun.spawn([...pinned(options)], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...options.env },
  });
  let said = "";
  const keep = (text: string) => {
    said = (said + text).slice(-lastOutputCharsMax);
  };
  void eachLine(child.stderr, keep, () => undefined);
  void eachLine(child.stdout, keep, (line) => options.onFirstLine?.(line));
  // A bench that is interrupted leaves no process behind, not even one that ignores its input.
  // First of all: what was written by the child is removed by those that follow.
  const onExit = () => child.kill("SIGKILL");
  process.prependOnceListener("exit", onExit);
  return {
    pid: child.pid,
    said: () => said.trim() || "nothing",
    ended: () => child.exitCode !== null || child.signalCode !== null,
    async stop(graceMs = 5_000) {
      if (options.stopSignal !== undefined) child.kill(options.stopSignal);
      else await child.stdin.end();
      const killer = setTimeout(() => child.kill("SIGKILL"), graceMs);
      await child.exited;
      clearTimeout(killer);
      process.off("exit", onExit);
    },
  };
}

/** Starts a child and waits for the first line it prints. */
export async function spawnProcess(
  options: SpawnOptions & { readonly readyMs: number },
): Promise<BenchProcess & { readonly firstLine: string }> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const child = spawnBackground({ ...options, onFirstLine: resolve });
  const deadlineMs = performance.now() + options.readyMs;
  let firstLine: string | undefined;
  void promise.then((line) => {
    firstLine = line;
  });
  while (firstLine === undefined) {
    if (child.ended() || performance.now() > deadlineMs) {
      const why = child.ended() ? "ended" : `was not ready in ${options.readyMs} ms`;
      await child.stop(0);
      throw new Error(`${options.command.slice(0, 3).join(" ")} ${why}; it said: ${child.said()}`);
    }
    await Promise.race([promise, Bun.sleep(20)]);
  }
  return { ...child, firstLine };
}

/** True where processes can be kept on cores, and there is more than one. */
export function canPin(): boolean {
  return existsSync("/usr/bin/taskset") && navigator.hardwareConcurrency > 1;
}

function pinned(options: SpawnOptions): readonly string[] {
  if (options.core === undefined || !canPin()) return options.command;
  return ["taskset", "-c", String(options.core), ...options.command];
}

async function eachLine(
  stream: ReadableStream<Uint8Array>,
  onText: (text: string) => void,
  onFirstLine: (line: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let head = "";
  let isFirst = true;
  for await (const chunk of stream) {
    const text = decoder.decode(chunk, { stream: true });
    onText(text);
    if (!isFirst) continue;
    head += text;
    const end = head.indexOf("\n");
    if (end === -1) continue;
    isFirst = false;
    onFirstLine(head.slice(0, end));
  }
}
