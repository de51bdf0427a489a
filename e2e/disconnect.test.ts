import { afterAll, beforeAll, expect, test } from "bun:test";
import { kindsOf, postJson, watchToEnd, webClient } from "./clients.ts";
import { type System, startSystem } from "./system.ts";

const timeoutMs = 60_000;
/**
 * How long a freed slot may take to show: disconnects are noticed at once, gauges are read by
 * polling.
 */
const freedWithinMs = 5000;
const longAnswer = "Write 2000 words about the sea.";

let system: System;

beforeAll(async () => {
  // One replica with room for one request beside the stream under test: what waits, waits in the
  // proxy.
  system = await startSystem({ replicas: 1, env: { WARMPATH_REPLICA_IN_FLIGHT_MAX: "1" } });
}, timeoutMs);

afterAll(() => system.stop());

async function engineLoad(): Promise<{ running: number; waiting: number }> {
  const text = await (await fetch(`${system.replicaUrl(0)}/metrics`)).text();
  const gauge = (name: string) =>
    Number(text.match(new RegExp(`^vllm:${name}\\{[^}]*\\} (\\S+)`, "m"))?.[1] ?? 0);
  return { running: gauge("num_requests_running"), waiting: gauge("num_requests_waiting") };
}

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + freedWithinMs;
  while (!(await holds())) {
    if (performance.now() > deadline) {
      throw new Error(
        `${what}: not within ${freedWithinMs} ms; engine ${JSON.stringify(await engineLoad())}`,
      );
    }
    await Bun.sleep(25);
  }
}

function openStream(signal: AbortSignal): Promise<Response> {
  return postJson(
    `${system.proxyUrl}/v1/chat/completions`,
    { messages: [{ role: "user", content: longAnswer }], stream: true, max_tokens: 4000 },
    system.key,
    { signal },
  );
}

test(
  "a client that leaves mid-stream frees the replica's slot, and one that leaves the queue never reaches it",
  async () => {
    const first = new AbortController();
    const response = await openStream(first.signal);
    // Held to the end: Bun leaves a stream that nobody refers to any more.
    const reader = response.body?.getReader();
    const head = await reader?.read();
    expect(new TextDecoder().decode(head?.value)).toContain("data:");
    await eventually("the stream runs", async () => (await engineLoad()).running === 1);

    const queued = new AbortController();
    const waiting = openStream(queued.signal).catch((error: unknown) => error);
    await Bun.sleep(300);
    expect(await engineLoad()).toEqual({ running: 1, waiting: 0 });
    queued.abort();
    await waiting;

    const served = await requestsServed();
    first.abort();
    await reader?.cancel().catch(() => undefined);
    await eventually("the slot is free", async () => (await engineLoad()).running === 0);
    await Bun.sleep(300);
    expect(await engineLoad()).toEqual({ running: 0, waiting: 0 });
    expect(await requestsServed()).toBe(served);
  },
  timeoutMs,
);

/** Prompts the engine has begun to prefill: an aborted queued request must not add one. */
async function requestsServed(): Promise<number> {
  const text = await (await fetch(`${system.replicaUrl(0)}/metrics`)).text();
  return Number(text.match(/^vllm:prompt_tokens_total\{[^}]*\} (\S+)/m)?.[1] ?? 0);
}

test(
  "a cancelled task frees the replica's slot and its watcher sees the end",
  async () => {
    const client = webClient(system);
    const { taskId } = await client.submitTask({
      agent: "assistant",
      message: { text: longAnswer },
    });
    await eventually("the model call runs", async () => (await engineLoad()).running === 1);
    const watching = watchToEnd(client, taskId);
    await client.cancelTask({ taskId });
    await eventually("the slot is free", async () => (await engineLoad()).running === 0);
    expect(kindsOf(await watching).at(-1)).toBe("cancelled");
    expect((await client.getTask({ taskId })).task?.state).toBe(6);
  },
  timeoutMs,
);

test(
  "a watcher that leaves does not disturb the task",
  async () => {
    const client = webClient(system);
    const { taskId } = await client.submitTask({
      agent: "assistant",
      message: { text: "What is 2 + 2?" },
    });
    const abort = new AbortController();
    abort.abort();
    await client
      .watchTask({ taskId }, { signal: abort.signal })
      [Symbol.asyncIterator]()
      .next()
      .catch(() => undefined);
    expect(kindsOf(await watchToEnd(client, taskId)).at(-1)).toBe("completed");
  },
  timeoutMs,
);
