import { loadTrace, traceWorkload, workloadOf, workloads } from "../workloads/index.ts";
import type { Workload } from "../workloads/types.ts";

/** What `--workload` knows. */
export const workloadNames: readonly string[] = workloads.map(({ name }) => name);

const tracePrefix = "trace:";

/** True for the name that a trace file has as a workload. */
export function isTrace(name: string): boolean {
  return name.startsWith(tracePrefix);
}

/** The name that a trace file has as a workload. */
export function traceName(fileName: string): string {
  return `${tracePrefix}${fileName}`;
}

/** A workload by its name, or the trace that is read from `tracePath`; throws for unknown ones. */
export async function workloadNamed(name: string, tracePath?: string): Promise<Workload> {
  if (!isTrace(name)) return workloadOf(name);
  if (tracePath === undefined) throw new Error(`the file of ${name} was not given`);
  return traceWorkload(name, await loadTrace(tracePath));
}
