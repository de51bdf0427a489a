/** Starts both sides for each server, compares, and stops them again. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../system/free-port.ts";
import type { ReplicaConfig } from "../config.ts";
import { createReplica } from "../replica.ts";
import { compareServer, type ServerComparison } from "./compare-server.ts";
import type { FoundVllm } from "./find-vllm.ts";
import { type RunningServer, startVllm } from "./start-vllm.ts";
import { type LiveServerName, liveServers } from "./vllm-servers.ts";

/** What takes the place of the truth: a vLLM, or for a check of this program a second replica. */
export type Truth =
  | { readonly kind: "vllm"; readonly vllm: FoundVllm; readonly model: string }
  | { readonly kind: "replica" };

/** A run. */
export interface TruthOptions {
  readonly truth: Truth;
  readonly servers: readonly LiveServerName[];
  readonly only: RegExp | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** vLLM's events came up to 60 ms late, and more on a busy machine; the replica's at once. */
const quietMs = { vllm: 700, replica: 20 } as const;

/** Compares server after server; one real server runs at a time. */
export async function runTruth(options: TruthOptions): Promise<readonly ServerComparison[]> {
  const comparisons: ServerComparison[] = [];
  for (const name of options.servers) {
    const folder = mkdtempSync(join(tmpdir(), "warmpath-truth-"));
    try {
      comparisons.push(await compareOne(name, folder, options));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return comparisons;
}

async function compareOne(
  name: LiveServerName,
  folder: string,
  { truth, only, env, signal, say }: TruthOptions,
): Promise<ServerComparison> {
  const ours = await startReplica(name, join(folder, "replica"));
  let real: RunningServer | undefined;
  try {
    if (truth.kind === "replica") real = await startReplica(name, join(folder, "second"));
    else {
      say(`server ${name}: starting vLLM, which takes one to three minutes`);
      const place = {
        port: await freePort(),
        model: truth.model,
        eventsEndpoint: `ipc://${folder}/vllm.pub`,
        replayEndpoint: `ipc://${folder}/vllm.rep`,
        env,
      };
      real = await startVllm(truth.vllm, liveServers[name], place, signal);
    }
    const stopping = real;
    signal.addEventListener("abort", () => void stopping.close(), { once: true });
    say(`server ${name}: comparing`);
    const comparison = {
      only,
      isVllm: truth.kind === "vllm",
      quietMs: quietMs[truth.kind],
    };
    return await compareServer(name, real, ours, comparison, say);
  } finally {
    await Promise.all([real?.close(), ours.close()]);
  }
}

/** The replica, set up as one of the servers; `changes` are for tests. Sockets lie at `path`. */
export async function startReplica(
  name: LiveServerName,
  path: string,
  changes: Partial<ReplicaConfig> = {},
): Promise<RunningServer> {
  const { replica: config, topic } = liveServers[name];
  const eventsEndpoint = `ipc://${path}.pub`;
  const replayEndpoint = `ipc://${path}.rep`;
  const replica = await createReplica({
    config: {
      ...config,
      kvEventsEndpoint: eventsEndpoint,
      kvEventsReplayEndpoint: replayEndpoint,
      ...changes,
    },
  });
  return {
    url: replica.url,
    eventsEndpoint,
    replayEndpoint,
    topic,
    close: () => replica.close(),
  };
}
