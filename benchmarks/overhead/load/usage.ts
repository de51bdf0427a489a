import { readdirSync, readFileSync } from "node:fs";
import { machineNowUs } from "../clock.ts";
import type { Usage } from "./order.ts";

/** CPU seconds of a program are told in hundredths. */
const msPerTick = 10;
/** Above this the steps of ten milliseconds are below one percent. */
const ticksAreFineMs = 1_000;
const lookEveryMs = 200;
const pageBytes = 4096;

/** Begins to watch; the returned function ends it. */
export function watchUsage(pids: {
  readonly contenderPid?: number;
  readonly mockPid: number;
}): () => Usage {
  const tree = pids.contenderPid === undefined ? [] : treeOf(pids.contenderPid);
  const mock = treeOf(pids.mockPid);
  let rssBytes = rssOf(tree);
  const timer = setInterval(() => {
    rssBytes = Math.max(rssBytes, rssOf(tree));
  }, lookEveryMs);
  const before = cpuOf(tree);
  const mockBefore = cpuOf(mock);
  const ownBefore = process.cpuUsage();
  const startUs = machineNowUs();
  return () => {
    const wallMs = (machineNowUs() - startUs) / 1000;
    const cpuMs = usedMs(before, cpuOf(tree));
    const mockMs = usedMs(mockBefore, cpuOf(mock));
    const own = process.cpuUsage(ownBefore);
    clearInterval(timer);
    return {
      wallMs,
      ...(tree.length === 0 ? {} : { cpuMs, rssBytes }),
      ...(mock.length === 0
        ? {}
        : { harnessBusy: (mockMs + (own.user + own.system) / 1000) / wallMs }),
    };
  };
}

interface Cpu {
  readonly ticksMs: number;
  readonly threadsMs: number;
}

/**
 * The steps of a process's own count are coarse but complete; those of its threads are exact but
 * lose a thread that ends. Long windows take the former, short ones the latter.
 */
function usedMs(before: Cpu, after: Cpu): number {
  const ticksMs = after.ticksMs - before.ticksMs;
  const threadsMs = after.threadsMs - before.threadsMs;
  return ticksMs >= ticksAreFineMs || threadsMs <= 0 ? ticksMs : threadsMs;
}

/** A process and its living descendants; empty where there is no /proc. */
function treeOf(root: number): readonly number[] {
  const parents = new Map<number, number>();
  for (const name of listOf("/proc")) {
    const pid = Number(name);
    const parent = statFields(pid)[1];
    if (parent !== undefined) parents.set(pid, Number(parent));
  }
  const tree = parents.has(root) ? [root] : [];
  // The list grows while it is walked: children of children follow.
  for (const pid of tree) {
    for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  }
  return tree;
}

function cpuOf(pids: readonly number[]): Cpu {
  let ticksMs = 0;
  let threadsMs = 0;
  for (const pid of pids) {
    const fields = statFields(pid);
    ticksMs += (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * msPerTick;
    for (const thread of listOf(`/proc/${pid}/task`)) {
      threadsMs += Number(textOf(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]) / 1e6;
    }
  }
  return { ticksMs, threadsMs };
}

function rssOf(pids: readonly number[]): number {
  let pages = 0;
  for (const pid of pids) pages += Number(textOf(`/proc/${pid}/statm`).split(" ")[1] ?? 0);
  return pages * pageBytes;
}

/** Fields behind the program's name, which stands in parentheses and may hold anything. */
function statFields(pid: number): readonly string[] {
  const stat = textOf(`/proc/${pid}/stat`);
  return stat === "" ? [] : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function listOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => /^\d+$/.test(name));
  } catch {
    // Not Linux, or gone since it was listed.
    return [];
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Not Linux, or gone since it was listed.
    return "";
  }
}
