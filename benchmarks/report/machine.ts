import { cpus, loadavg, release, totalmem } from "node:os";

/** What a figure cannot be read without. */
export interface MachineFacts {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly bun: string;
  /**
   * Load average of the last minute when the bench began: above zero means that others used the
   * machine.
   */
  readonly loadAverage: number;
}

/** Reads the facts of this machine, now. */
export function machineFacts(): MachineFacts {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    bun: Bun.version,
    loadAverage: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** The facts as one line. */
export function formatMachine(facts: MachineFacts): string {
  return (
    `${facts.cores} × ${facts.cpu}, ${facts.memoryGib} GiB, Linux ${facts.kernel}, Bun ${facts.bun}; ` +
    `load average before: ${facts.loadAverage}`
  );
}
