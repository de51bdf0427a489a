import { fileURLToPath } from "node:url";
import { spawnChild } from "@warmpath/runtime";
import { portsOf, reachableHost } from "./ports.ts";
import type { ProcessContext } from "./run-until-stopped.ts";

const script = fileURLToPath(new URL("../../benchmarks/replica/main.ts", import.meta.url));

/**
 * Starts simulated vLLM replicas, each a process of its own so that what they cost is not taken for
 * ours. Returns their addresses.
 */
export async function startReplicas(
  { host, port, replicas }: { host: string; port: number; replicas: number },
  { log, defer }: ProcessContext,
): Promise<readonly string[]> {
  const ports = Array.from({ length: replicas }, (_, index) => portsOf(port).replica(index));
  await Promise.all(
    ports.map(async (replicaPort, index) => {
      const name = `replica-${index + 1}`;
      const child = await spawnChild({
        script,
        args: ["--host", host, "--port", String(replicaPort), "--seed", String(index + 1)],
        env: simulatorVariables(),
        onLine: (line) => log.warn(line, { child: name }),
        onExit: (status) => log.error("a simulated replica ended", { child: name, status }),
      });
      defer({ name, close: (graceMs) => child.stop(graceMs) });
      await child.ready;
    }),
  );
  return ports.map((replicaPort) => `http://${reachableHost(host)}:${replicaPort}`);
}

/** The simulator's own variables; a child inherits nothing that is not handed to it. */
function simulatorVariables(): Record<string, string> {
  const entries = Object.entries(process.env).filter(([name]) => name.startsWith("WARMPATH_SIM_"));
  // Entries of process.env have values.
  return Object.fromEntries(entries) as Record<string, string>;
}
