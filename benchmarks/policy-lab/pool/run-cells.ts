import { join } from "node:path";
import type { CellJob } from "../grid/axes.ts";
import type { CellResult } from "../result.ts";
import type { JobMessage, ResultMessage } from "./messages.ts";
import { createJobRunner } from "./run-job.ts";

interface RunOptions {
  /** Processes; 0 runs everything in this one. */
  readonly workers: number;
  readonly tracePath?: string | undefined;
  /** Ends the run: workers are killed, finished cells are kept. */
  readonly signal?: AbortSignal;
  /** In the order in which cells end, which differs from run to run. */
  readonly onResult?: (result: CellResult, index: number) => void;
}

/**
 * Runs the cells and returns their results in the cells' order, whatever the number of workers;
 * undefined where the run was ended before. Rejects when a cell failed: a fault of a policy or of
 * the lab.
 */
export async function runCells(
  jobs: readonly CellJob[],
  options: RunOptions,
): Promise<readonly (CellResult | undefined)[]> {
  const results: (CellResult | undefined)[] = jobs.map(() => undefined);
  const keep = (result: CellResult, index: number) => {
    results[index] = result;
    options.onResult?.(result, index);
  };
  if (options.workers === 0) {
    const run = createJobRunner(options.tracePath);
    for (const [index, job] of jobs.entries()) {
      // Between cells the process hears of signals.
      await Bun.sleep(0);
      if (options.signal?.aborted === true) break;
      keep(await run(job), index);
    }
    return results;
  }
  await new WorkerPool(jobs, options, keep).run();
  return results;
}

const workerPath = join(import.meta.dir, "worker.ts");

/** Hands the next cell to whoever is free. */
class WorkerPool {
  readonly #jobs: readonly CellJob[];
  readonly #options: RunOptions;
  readonly #keep: (result: CellResult, index: number) => void;
  readonly #children = new Set<Bun.Subprocess>();
  #next = 0;
  #failure: Error | undefined;

  constructor(
    jobs: readonly CellJob[],
    options: RunOptions,
    keep: (result: CellResult, index: number) => void,
  ) {
    this.#jobs = jobs;
    this.#options = options;
    this.#keep = keep;
  }

  async run(): Promise<void> {
    const { workers, signal } = this.#options;
    const stop = () => {
      for (const child of this.#children) child.kill("SIGKILL");
    };
    signal?.addEventListener("abort", stop);
    process.once("exit", stop);
    try {
      const count = Math.min(workers, this.#jobs.length);
      await Promise.all(Array.from({ length: count }, () => this.#runWorker(stop)));
    } finally {
      signal?.removeEventListener("abort", stop);
      process.off("exit", stop);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  get #isStopped(): boolean {
    return this.#options.signal?.aborted === true;
  }

  /** One worker from its start to its end. */
  async #runWorker(stopAll: () => void): Promise<void> {
    const { tracePath } = this.#options;
    if (this.#isStopped) return;
    let current: number | undefined;
    const sendNext = (child: Bun.Subprocess) => {
      current =
        this.#failure === undefined && this.#next < this.#jobs.length ? this.#next : undefined;
      const job = current === undefined ? undefined : this.#jobs[current];
      if (current === undefined || job === undefined) {
        child.disconnect();
        return;
      }
      this.#next += 1;
      child.send({ index: current, job } satisfies JobMessage);
    };
    const child = Bun.spawn(
      [process.execPath, workerPath, ...(tracePath === undefined ? [] : [tracePath])],
      {
        stdin: "ignore",
        stdout: "inherit",
        stderr: "inherit",
        serialization: "json",
        ipc: (message: ResultMessage, sender) => {
          if ("result" in message) {
            this.#keep(message.result, message.index);
            sendNext(sender);
            return;
          }
          this.#failure ??= new Error(describe(this.#jobs[message.index], message.error));
          stopAll();
        },
      },
    );
    this.#children.add(child);
    sendNext(child);
    await child.exited;
    this.#children.delete(child);
    if (current === undefined || this.#isStopped) return;
    this.#failure ??= new Error(
      describe(this.#jobs[current], `its process ended with ${child.signalCode ?? child.exitCode}`),
    );
  }
}

function describe(job: CellJob | undefined, error: string): string {
  if (job === undefined) return error;
  const { policy, workload, regime, replicas, demand, seed, scenario } = job.spec;
  return (
    `${policy} on ${replicas} replicas, ${workload}, ${regime}, demand ${demand}, ` +
    `${scenario.name}, seed ${seed}: ${error}`
  );
}
