import { join } from "node:path";
import { type BenchProcess, spawnProcess } from "./spawn-process.ts";

const script = join(import.meta.dir, "../replica/main.ts");
const readyMs = 15_000;

/** Starts a simulated replica as a child on a free port. */
export async function startReplica(
  flags: readonly string[],
): Promise<BenchProcess & { readonly url: string }> {
  const child = await spawnProcess({
    command: [process.execPath, script, "--port", "0", ...flags],
    readyMs,
  });
  // The replica's readiness line.
  const { url } = JSON.parse(child.firstLine) as { url: string };
  return { ...child, url };
}

/** Flags under which a replica answers at once. */
export const zeroLatencyFlags = ["--speed=0", "--max-num-seqs=256"];
