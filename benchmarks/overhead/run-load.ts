import { join } from "node:path";
import { canPin } from "../system/spawn-process.ts";
import { loadCore } from "./contenders.ts";
import type {
  ClosedOrder,
  IdleOrder,
  IdleResult,
  LeaveOrder,
  LeaveResult,
  LoadOrder,
  OpenOrder,
  RequestsResult,
  StreamsOrder,
  StreamsResult,
} from "./load/order.ts";

/** Where a load goes, and what is watched meanwhile. */
export type LoadTarget = Pick<
  LoadOrder,
  "url" | "headers" | "mockUrl" | "mockPid" | "contenderPid"
>;

/** A load generator in a process of its own; one load at a time. */
export interface LoadGenerator {
  run(order: IdleOrder): Promise<IdleResult>;
  run(order: ClosedOrder | OpenOrder): Promise<RequestsResult>;
  run(order: StreamsOrder): Promise<StreamsResult>;
  run(order: LeaveOrder): Promise<LeaveResult>;
  stop(): Promise<void>;
}

/** Beyond what an order itself takes: to connect, to drain, on a busy machine. */
const slackMs = 40_000;

/** Starts a load generator on the load's core. With `signal` it ends, and its order fails. */
export function startLoadGenerator(signal?: AbortSignal): LoadGenerator {
  const pin = canPin() ? ["taskset", "-c", String(loadCore)] : [];
  const child = Bun.spawn([...pin, process.execPath, join(import.meta.dir, "load/main.ts")], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const kill = () => child.kill("SIGKILL");
  // A bench that is interrupted leaves no process behind.
  process.once("exit", kill);
  if (signal?.aborted === true) kill();
  signal?.addEventListener("abort", kill, { once: true });
  const results = linesOf(child.stdout);
  const run = async (order: LoadOrder) => {
    await child.stdin.write(`${JSON.stringify(order)}\n`);
    await child.stdin.flush();
    const deadline = setTimeout(kill, expectedMs(order) + slackMs);
    const line = await results.next();
    clearTimeout(deadline);
    if (line.done === true) throw new Error(`the load generator ended at ${order.kind}`);
    // It prints nothing but results.
    return JSON.parse(line.value);
  };
  return {
    run,
    async stop() {
      await child.stdin.end();
      await child.exited;
      process.off("exit", kill);
      signal?.removeEventListener("abort", kill);
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

function expectedMs(order: LoadOrder): number {
  switch (order.kind) {
    case "idle":
      return order.durationMs;
    case "closed":
    case "open":
      return order.warmupMs + order.durationMs;
    case "streams":
      return 2 * order.tokens * order.intervalMs + order.durationMs;
    case "leave":
      return order.watchMs;
  }
}
