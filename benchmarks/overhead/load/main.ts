/**
 * The load generator, a process of its own for each contender: takes one `LoadOrder` a line on its
 * standard input, prints one `LoadResult` a line, ends when the input does.
 */
import { createInterface } from "node:readline";
import { runLeave } from "./leave.ts";
import type { LoadOrder, LoadResult } from "./order.ts";
import { runRequests } from "./requests.ts";
import { runStreams } from "./streams.ts";
import { watchUsage } from "./usage.ts";

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  // The order was written by `run-load.ts`, which waits for each result before it sends another.
  run(JSON.parse(line) as LoadOrder).then(
    (result) => {
      process.stdout.write(`${JSON.stringify(result)}\n`);
      // What one load leaves behind must not be collected during the next.
      Bun.gc(true);
    },
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
      process.exit(1);
    },
  );
});
lines.on("close", () => process.exit(0));

async function run(order: LoadOrder): Promise<LoadResult> {
  if (order.kind === "idle") {
    const endWatch = watchUsage(order);
    await Bun.sleep(order.durationMs);
    return { usage: endWatch() };
  }
  if (order.kind === "streams") return runStreams(order);
  if (order.kind === "leave") return runLeave(order);
  return runRequests(order);
}
