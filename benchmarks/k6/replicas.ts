import type { BenchProcess } from "../system/spawn-process.ts";
import { startReplica } from "../system/start-replica.ts";

/** The replicas of a run. */
export interface Replicas {
  readonly urls: readonly string[];
  /** Kills one without warning, and starts it again on its port. */
  kill(index: number): Promise<void>;
  restart(index: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts simulated replicas, each with a seed of its own. */
export async function startReplicas(count: number, flags: readonly string[]): Promise<Replicas> {
  const running: (BenchProcess & { readonly url: string })[] = [];
  const stop = async () => {
    await Promise.all(running.map((replica) => replica.stop()));
  };
  try {
    for (let index = 0; index < count; index++) {
      running.push(await startReplica(["--seed", String(index + 1), ...flags]));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const urls = running.map(({ url }) => url);
  const at = (index: number) => {
    const replica = running[index];
    if (replica === undefined) throw new Error(`there is no replica ${index}`);
    return replica;
  };
  return {
    urls,
    async kill(index) {
      process.kill(at(index).pid, "SIGKILL");
      await at(index).stop(0);
    },
    async restart(index) {
      const { port } = new URL(at(index).url);
      running[index] = await startReplica([
        ...["--seed", String(index + 1), ...flags],
        ...["--port", port],
      ]);
    },
    stop,
  };
}
