/** How long a run takes, and whose work the machine did meanwhile. */
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Longest that bringing up the mesh, all checks and taking it down may take, in s; issue 6. */
export const runSecondsMax = 180;
/** Share of the machine that others may have before a clock beyond the bar says nothing of ours. */
const busyShareMax = 0.25;

/** Clock ticks in a second: what Linux has told user space on every platform since 2.6. */
const ticksPerSecond = 100;

interface CpuTime {
  /** Of the processes that this one sees, in s: in a namespace of its own, the run's. */
  readonly own: number;
  /** Of the whole machine. */
  readonly all: number;
}

/** A stretch of time: how long it took, and the CPU that was used in it, all in s. */
export interface Stretch {
  readonly seconds: number;
  readonly ownCpu: number;
  readonly othersCpu: number;
}

/** Starts a stretch; what it gives ends it. */
export function startStretch(): () => Stretch {
  const startedAtMs = performance.now();
  const before = cpuTime();
  return () => {
    const after = cpuTime();
    const ownCpu = after.own - before.own;
    return {
      seconds: (performance.now() - startedAtMs) / 1000,
      ownCpu,
      othersCpu: Math.max(0, after.all - before.all - ownCpu),
    };
  };
}

/** Both together, where something that does not count was between them. */
export function together(one: Stretch, other: Stretch): Stretch {
  return {
    seconds: one.seconds + other.seconds,
    ownCpu: one.ownCpu + other.ownCpu,
    othersCpu: one.othersCpu + other.othersCpu,
  };
}

/** The stretch in words. */
export function inWords({ seconds, ownCpu, othersCpu }: Stretch): string {
  return `${seconds.toFixed(0)} s (${ownCpu.toFixed(0)} s of CPU, and ${othersCpu.toFixed(0)} s of others' meanwhile)`;
}

/**
 * Judges the clock of a run: what is wrong with it, or why it cannot be judged. More than the bar
 * is a fault, unless others had so much of the machine that the clock is theirs.
 */
export function judgeRunTime(
  stretch: Stretch,
  cores: number = availableParallelism(),
): { readonly faults: readonly string[]; readonly unjudged?: string } {
  const { seconds, othersCpu } = stretch;
  if (seconds <= runSecondsMax) {
    return { faults: [] };
  }
  const what = `it took ${inWords(stretch)} on ${cores} cores`;
  const share = othersCpu / (seconds * cores);
  return share > busyShareMax
    ? { faults: [], unjudged: `${what}: others had ${(share * 100).toFixed(0)} % of the machine` }
    : { faults: [`${what}, not ${runSecondsMax} s at most`] };
}

function cpuTime(): CpuTime {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const own = pids.reduce((sum, pid) => sum + ticksOf(pid), 0);
  // proc(5): "cpu", then ticks of user, nice, system, idle, waiting, interrupts and so on.
  const [user = 0, nice = 0, system = 0] = readFileSync("/proc/stat", "utf8")
    .split("\n", 1)
    .flatMap((line) => line.split(/\s+/).slice(1).map(Number));
  return { own: own / ticksPerSecond, all: (user + nice + system) / ticksPerSecond };
}

/** Ticks of a process and of those children that it has waited for. */
function ticksOf(pid: string): number {
  try {
    // proc(5): utime, stime, cutime and cstime are the 12th to 15th field after the name.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ");
    return (fields ?? []).slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
  } catch {
    // Ended between the listing and the reading; its parent has its time.
    return 0;
  }
}
