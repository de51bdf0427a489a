import { readFileSync } from "node:fs";
import type { Bar } from "../report/bars.ts";
import { barOf } from "../report/bars.ts";
import { medianOf } from "../report/statistics.ts";

/** Resident memory of a process over time, in MiB. */
export interface MemoryWatch {
  readonly samplesMib: readonly number[];
  stop(): void;
}

const everyMs = 2_000;
/** How much larger the last quarter may be than the second; caches have filled by then. */
const growthMax = 1.25;

/** Samples a process's resident memory until it is stopped; no samples where there is no /proc. */
export function watchMemory(pid: number): MemoryWatch {
  const samplesMib: number[] = [];
  const sample = () => {
    const mib = residentMib(pid);
    if (mib !== undefined) samplesMib.push(mib);
  };
  sample();
  const timer = setInterval(sample, everyMs);
  return { samplesMib, stop: () => clearInterval(timer) };
}

/** The bar for memory that grows for as long as the system runs. */
export function memoryBar(scenario: string, samplesMib: readonly number[]): Bar {
  const quarter = Math.ceil(samplesMib.length / 4);
  const early = medianOf(samplesMib.slice(quarter, 2 * quarter));
  const late = medianOf(samplesMib.slice(-quarter));
  return barOf(`${scenario}.memory_growth`, late / early, "<=", growthMax);
}

function residentMib(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
  } catch {
    // Not Linux, or the process has ended.
    return undefined;
  }
}
