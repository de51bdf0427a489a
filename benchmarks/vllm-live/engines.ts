/** Two engines that can be stopped, killed and started again: real vLLMs, or simulated ones. */
import { join } from "node:path";
import type { FoundVllm } from "../replica/truth/find-vllm.ts";
import { type RunningVllm, startVllm } from "../replica/truth/start-vllm.ts";
import { freePort } from "../system/free-port.ts";
import { startReplica } from "../system/start-replica.ts";

/** What stands in for an engine. */
export type EngineKind =
  | { readonly kind: "vllm"; readonly vllm: FoundVllm; readonly model: string }
  | { readonly kind: "simulated" };

/** One engine at an address of its own, over several lives. */
export interface LiveEngine {
  readonly url: string;
  /** As the proxy calls it. */
  readonly name: string;
  /** `api`: only to the process that serves HTTP, as a supervisor would. */
  send(signal: NodeJS.Signals, to: "all" | "api"): void;
  /** Ends what is left of it and starts it again; resolves when it is healthy. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Blocks of 32: the CPU's attention takes no smaller ones. */
export const blockTokens = 32;
/** Tokens that one engine can keep: 512 blocks. */
const kvBlocks = 512;
/** Beyond so many requests in flight an engine refuses, inside a 200 where it is a stream. */
export const inFlightMax = 12;

/** Few batches are kept for replay, so that a proxy that starts late cannot read all. */
const bufferSteps = 100;

const flags = [
  "--max-model-len=4096",
  `--num-gpu-blocks-override=${kvBlocks}`,
  `--max-num-seqs=${inFlightMax}`,
  `--max-num-queued-reqs=${inFlightMax}`,
  "--max-num-batched-tokens=1024",
];

/** Starts one; throws with its last words where it does not come up. */
export async function startEngine(
  kind: EngineKind,
  folder: string,
  index: number,
  signal: AbortSignal,
): Promise<LiveEngine> {
  const events = (life: string) => ({
    eventsEndpoint: `ipc://${join(folder, `${index}-${life}.pub`)}`,
    replayEndpoint: `ipc://${join(folder, `${index}-${life}.rep`)}`,
  });
  const port = await freePort();
  const start = () =>
    kind.kind === "vllm"
      ? startReal(kind, port, events("v"), signal)
      : startSimulated(port, index, events("s"));
  let running = await start();
  return {
    url: `http://127.0.0.1:${port}`,
    name: `127.0.0.1:${port}`,
    send: (name, to) => running.send(name, to),
    async restart() {
      running.send("SIGKILL", "all");
      await running.close();
      running = await start();
    },
    close: () => running.close(),
  };
}

interface Endpoints {
  readonly eventsEndpoint: string;
  readonly replayEndpoint: string;
}

type Running = Pick<RunningVllm, "send" | "close">;

function startReal(
  { vllm, model }: Extract<EngineKind, { readonly kind: "vllm" }>,
  port: number,
  endpoints: Endpoints,
  signal: AbortSignal,
): Promise<Running> {
  const server = { flags, env: {}, topic: "kv@tiny" };
  const place = { port, model, ...endpoints, env: process.env, bufferSteps };
  return startVllm(vllm, server, place, signal);
}

/** A process, since a signal is what is tried. */
async function startSimulated(port: number, index: number, endpoints: Endpoints): Promise<Running> {
  const child = await startReplica([
    `--port=${port}`,
    "--model=tiny",
    "--profile=tiny",
    `--seed=${index + 1}`,
    `--block-size=${blockTokens}`,
    `--kv-blocks=${kvBlocks}`,
    `--max-num-seqs=${inFlightMax}`,
    `--max-num-queued-reqs=${inFlightMax}`,
    "--max-model-len=4096",
    "--on-sigterm=hang",
    `--kv-events-endpoint=${endpoints.eventsEndpoint}`,
    `--kv-events-replay-endpoint=${endpoints.replayEndpoint}`,
  ]);
  return {
    send(name) {
      try {
        process.kill(child.pid, name);
      } catch {
        // It has gone.
      }
    },
    close: () => child.stop(0),
  };
}
