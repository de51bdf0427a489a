import { readdirSync, readFileSync } from "node:fs";

/**
 * Clock ticks a second in /proc; Linux has reported 100 to programs for as long as it has had
 * /proc.
 */
const ticksPerSecond = 100;

/**
 * CPU time, user and system, that a process and its living descendants have used, in milliseconds;
 * undefined where there is no /proc. Unlike elapsed time it does not grow because others are busy.
 */
export function cpuMsOfTree(pid: number): number | undefined {
  const processes = readProcesses();
  if (processes === undefined) return undefined;
  const wanted = new Set([pid]);
  let ticks = processes.get(pid)?.ticks ?? 0;
  // Children may come before their parents in the listing, so look until nothing is added.
  for (let added = true; added; ) {
    added = false;
    for (const [id, { parent, ticks: own }] of processes) {
      if (wanted.has(id) || !wanted.has(parent)) continue;
      wanted.add(id);
      ticks += own;
      added = true;
    }
  }
  return (ticks / ticksPerSecond) * 1000;
}

function readProcesses(): Map<number, { parent: number; ticks: number }> | undefined {
  const processes = new Map<number, { parent: number; ticks: number }>();
  let names: string[];
  try {
    names = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    // Not Linux: the figure is then absent, which the report shows.
    return undefined;
  }
  for (const name of names) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      // The program's name stands in parentheses and may hold anything; fields are counted behind
      // it.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const ticks = Number(fields[11]) + Number(fields[12]);
      processes.set(Number(name), { parent: Number(fields[1]), ticks });
    } catch {
      // Gone between the listing and the read: it uses nothing any more.
    }
  }
  return processes;
}
