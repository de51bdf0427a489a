import type { CellSpec } from "../result.ts";

/** Where a run shows how far it is. */
export interface Progress {
  /** One more cell is done. */
  step(spec: CellSpec): void;
  /** Ends the bar's line. */
  end(): void;
}

interface Out {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const barColumns = 24;
/** Without a terminal: a line at most so often. */
const lineEveryMs = 10_000;

/** A bar that repaints itself on a terminal, plain lines elsewhere; both say how long it takes. */
export function createProgress(options: {
  readonly total: number;
  readonly out: Out;
  readonly nowMs: () => number;
}): Progress {
  const { total, out, nowMs } = options;
  const startedMs = nowMs();
  let done = 0;
  let lastLineMs = startedMs;
  const line = ({ policy, regime, replicas, demand, scenario }: CellSpec) => {
    const restSeconds = ((nowMs() - startedMs) / done / 1000) * (total - done);
    const what = `${policy}, ${regime}, ${replicas} replicas, demand ${demand}, ${scenario.name}`;
    return `${done}/${total} cells, ${formatSeconds(restSeconds)} left, ${what}`;
  };
  return {
    step: (spec) => {
      done += 1;
      if (out.isTTY === true) {
        const full = Math.round((barColumns * done) / total);
        const bar = "█".repeat(full) + "░".repeat(barColumns - full);
        out.write(`\r\x1b[2K${bar} ${line(spec).slice(0, 100)}`);
        return;
      }
      if (nowMs() - lastLineMs < lineEveryMs && done < total) return;
      lastLineMs = nowMs();
      out.write(`policy-lab: ${line(spec)}\n`);
    },
    end: () => {
      if (out.isTTY === true) out.write("\n");
    },
  };
}

/** "7 s", "3 min 20 s", "2 h 5 min". */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
