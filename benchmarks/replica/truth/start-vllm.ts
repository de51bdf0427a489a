/** Starts a real vLLM for one comparison, and stops it with all its processes. */
import { after, systemClock } from "@warmpath/runtime/base";
import type { FoundVllm } from "./find-vllm.ts";
import { commonEnv, commonFlags, type LiveServer } from "./vllm-servers.ts";

/** With both cores taken by others a start took up to 160 s. */
const startMsMax = 600_000;
const pollMs = 500;
/** Output kept for the report of a start that failed. */
const lastOutputCharsMax = 4_000;
/** Time to end after SIGTERM; it serves nobody any more. */
const stopMs = 10_000;

/** A running server, real or simulated. */
export interface RunningServer {
  readonly url: string;
  readonly eventsEndpoint: string;
  readonly replayEndpoint: string;
  readonly topic: string;
  close(): Promise<void>;
}

/** Where it listens and where its events go. */
export interface VllmPlace {
  readonly port: number;
  readonly model: string;
  readonly eventsEndpoint: string;
  readonly replayEndpoint: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Batches that it keeps for replay; default: vLLM's. */
  readonly bufferSteps?: number;
}

/** A vLLM whose processes can be sent a signal. */
export interface RunningVllm extends RunningServer {
  /** To all of its processes, or only to the one that serves HTTP, as a supervisor does. */
  send(name: NodeJS.Signals, to: "all" | "api"): void;
}

/** Starts it and waits until it is healthy; throws with its last words when it ends before. */
export async function startVllm(
  vllm: FoundVllm,
  server: Pick<LiveServer, "flags" | "env" | "topic">,
  place: VllmPlace,
  signal: AbortSignal,
): Promise<RunningVllm> {
  const { eventsEndpoint, replayEndpoint } = place;
  const events = JSON.stringify({
    enable_kv_cache_events: true,
    publisher: "zmq",
    endpoint: eventsEndpoint,
    replay_endpoint: replayEndpoint,
    topic: server.topic,
    ...(place.bufferSteps === undefined ? {} : { buffer_steps: place.bufferSteps }),
  });
  const flags = [...commonFlags, ...server.flags, `--port=${place.port}`];
  const child = Bun.spawn(
    [vllm.program, "serve", place.model, ...flags, "--kv-events-config", events],
    {
      env: { ...place.env, ...commonEnv, ...server.env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      // A group of its own: it is several processes, and all must go.
      detached: true,
    },
  );
  let said = "";
  const keep = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      said = (said + decoder.decode(bytes, { stream: true })).slice(-lastOutputCharsMax);
    }
  };
  void keep(child.stdout);
  void keep(child.stderr);
  const send = (name: NodeJS.Signals, to: "all" | "api") => {
    try {
      process.kill(to === "all" ? -child.pid : child.pid, name);
    } catch {
      // All of it has gone.
    }
  };
  const onExit = () => send("SIGKILL", "all");
  process.once("exit", onExit);
  const close = async () => {
    send("SIGTERM", "all");
    const killer = after(systemClock, stopMs, () => send("SIGKILL", "all"));
    await child.exited;
    killer.cancel();
    // The API server may go before its engine does.
    send("SIGKILL", "all");
    process.off("exit", onExit);
  };

  const url = `http://127.0.0.1:${place.port}`;
  const deadlineMs = systemClock.monotonicMs() + startMsMax;
  while (!(await isHealthy(url))) {
    const hasEnded = child.exitCode !== null || child.signalCode !== null;
    if (hasEnded || signal.aborted || systemClock.monotonicMs() > deadlineMs) {
      await close();
      signal.throwIfAborted();
      throw new Error(`vLLM ${hasEnded ? "ended" : "was not healthy in time"}; it said:\n${said}`);
    }
    await systemClock.sleep(pollMs);
  }
  return { url, eventsEndpoint, replayEndpoint, topic: server.topic, send, close };
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health`)).ok;
  } catch {
    // Nobody listens yet.
    return false;
  }
}
