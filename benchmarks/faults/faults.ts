/** What happens to a replica, by its own switches or by signals to its process. */
import type { BenchProcess } from "../system/spawn-process.ts";

/** A replica to strike. */
export type Victim = BenchProcess & { readonly url: string };

/** One way to fail; resolves when the replica is well again. */
export interface Fault {
  readonly name: string;
  strike(victim: Victim, heldMs: number): Promise<void>;
  /** False where the replica serves on, so that there is no coming back to measure. */
  readonly takesOut: boolean;
}

/** Every way to fail of the issue that a simulated replica has, in an order that mixes them. */
export const faults: readonly Fault[] = [
  restart("kill"),
  setting("hangs and lives", { hang: true }, true),
  restart("engine-death"),
  setting("refuses with 500 while healthy", { errors: { 500: 1 } }, true),
  restart("sigterm"),
  setting("cuts streams", { die: { rate: 0.5, afterTokens: 6 } }, false),
  {
    name: "is stopped (SIGSTOP)",
    takesOut: true,
    strike: async ({ pid }, heldMs) => {
      process.kill(pid, "SIGSTOP");
      await Bun.sleep(heldMs);
      process.kill(pid, "SIGCONT");
    },
  },
  setting("fails inside a 200 stream", { streamError: { afterTokens: 0, status: 500 } }, true),
  setting(
    "is overloaded inside a 200 stream",
    { streamError: { afterTokens: 0, status: 503 } },
    false,
  ),
  setting("stalls streams", { stall: { rate: 0.5, afterTokens: 6, ms: 60_000 } }, false),
  setting("is thirty times slower", { slowdown: 30 }, false),
];

function restart(kind: "kill" | "engine-death" | "sigterm"): Fault {
  return {
    name: `restarts (${kind})`,
    takesOut: true,
    strike: async (victim, heldMs) => {
      await control(victim, "POST", "restart", { kind, downMs: heldMs });
      await Bun.sleep(heldMs);
      while (!(await isWell(victim))) await Bun.sleep(20);
    },
  };
}

function setting(name: string, settings: Record<string, unknown>, takesOut: boolean): Fault {
  return {
    name,
    takesOut,
    strike: async (victim, heldMs) => {
      await control(victim, "POST", "faults", settings);
      await Bun.sleep(heldMs);
      await control(victim, "DELETE", "faults");
    },
  };
}

async function control(
  { url }: Victim,
  method: "POST" | "DELETE",
  path: string,
  body?: Record<string, unknown>,
): Promise<void> {
  const response = await fetch(`${url}/_sim/${path}`, {
    method,
    keepalive: false,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) {
    throw new Error(`the replica refused ${path}: ${response.status} ${await response.text()}`);
  }
}

async function isWell({ url }: Victim): Promise<boolean> {
  const signal = AbortSignal.timeout(500);
  return await fetch(`${url}/health`, { keepalive: false, signal }).then(
    ({ status }) => status === 200,
    () => false,
  );
}
