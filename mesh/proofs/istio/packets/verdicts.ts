/** What the checks of a run come to. */
import { messageOf } from "@warmpath/runtime/base";
import type { ProofResult } from "../../step.ts";
import { within } from "./rig.ts";

/** Longest that one check may take, in ms. */
const checkMsMax = 90_000;
/** Faults of one check that are told: a policy that is gone opens hundreds of doors. */
const faultsMax = 5;

/** Collects verdicts, and tells each as it comes. */
export interface Verdicts {
  /** Has it looked at, and says how long that took. */
  prove(title: string, run: () => Promise<readonly string[]>): Promise<void>;
  result(): ProofResult;
}

/** Starts with none. */
export function startVerdicts(say: (line: string) => void): Verdicts {
  const failures: string[] = [];
  let passed = 0;
  return {
    prove: async (title, run) => {
      const startedAtMs = performance.now();
      const faults = await faultsOf(run);
      passed += faults.length === 0 ? 1 : 0;
      failures.push(...faults.slice(0, faultsMax).map((each) => `${title}: ${each}`));
      if (faults.length > faultsMax) {
        failures.push(`${title}: and ${faults.length - faultsMax} more`);
      }
      const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
      say(`${faults.length === 0 ? "ok" : "FAILED"}  ${title} (${seconds} s)`);
    },
    result: () => ({ passed, failures }),
  };
}

/** What a check finds. One that throws, or takes too long, has found a fault. */
export async function faultsOf(run: () => Promise<readonly string[]>): Promise<readonly string[]> {
  try {
    return await within(run(), "a verdict", checkMsMax);
  } catch (error) {
    return [messageOf(error)];
  }
}
