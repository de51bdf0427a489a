import { afterEach, describe, expect, test } from "bun:test";
import type { ReplicaConfig } from "./config.ts";
import { valuesOf } from "./recording.ts";
import { createReplica, type Replica, zeroLatency } from "./replica.ts";

/** A step of this engine takes longer than any test. */
const endless = { profile: "tiny", speed: 0.0001 };

/** A step of this one takes a fifth of a second. */
const slow = { profile: "tiny", speed: 0.02 };

const open: Replica[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((replica) => replica.close()));
});

describe("a client that leaves", () => {
  test("frees its slot mid-stream, and the one behind it runs", async () => {
    const replica = await start({ profile: "tiny", speed: 0.2, maxNumSeqs: 1 });
    const leaver = new AbortController();
    const response = await ask(replica, "Write 5000 words.", { stream: true }, leaver.signal);
    // Held to the end: Bun leaves a stream that nobody refers to any more.
    const reader = response.body?.getReader();
    await reader?.read();
    const behind = ask(replica, "Hello", { max_tokens: 1 });
    await until(async () => (await gauge(replica, "num_requests_waiting")) === 1);
    leaver.abort();
    await reader?.cancel().catch(() => undefined);
    expect((await behind).status).toBe(200);
    await until(async () => (await gauge(replica, "num_requests_running")) === 0);
  });

  test("frees its slot before the first token of a whole answer", async () => {
    const replica = await start(slow);
    const leaver = new AbortController();
    const left = ask(replica, "Hello", {}, leaver.signal).catch(() => "left");
    await until(async () => (await gauge(replica, "num_requests_running")) === 1);
    leaver.abort();
    expect(await left).toBe("left");
    await until(async () => (await gauge(replica, "num_requests_running")) === 0);
  });

  test("never runs when it leaves while waiting", async () => {
    const replica = await start({ ...slow, maxNumSeqs: 1 });
    const [first, second] = [new AbortController(), new AbortController()];
    const running = ask(replica, "first", {}, first.signal).catch(() => "left");
    await until(async () => (await gauge(replica, "num_requests_running")) === 1);
    const waiting = ask(replica, "second", {}, second.signal).catch(() => "left");
    await until(async () => (await gauge(replica, "num_requests_waiting")) === 1);
    second.abort();
    await until(async () => (await gauge(replica, "num_requests_waiting")) === 0);
    expect(await gauge(replica, "prompt_tokens_total")).toBeGreaterThan(0);
    const scheduled = await gauge(replica, "prefix_cache_queries_total");
    first.abort();
    expect([await running, await waiting]).toEqual(["left", "left"]);
    expect(await gauge(replica, "prefix_cache_queries_total")).toBe(scheduled);
  });
});

describe("limits", () => {
  test("max_tokens cuts the answer and is counted exactly", async () => {
    const replica = await start(zeroLatency);
    const answer = await json(await ask(replica, "Write 100 words.", { max_completion_tokens: 7 }));
    expect(answer).toMatchObject({
      choices: [{ finish_reason: "length" }],
      usage: { completion_tokens: 7 },
    });
  });

  test("ignore_eos gives exactly max_tokens, however short the answer is", async () => {
    const replica = await start(zeroLatency);
    const answer = await json(await ask(replica, "Hi", { max_tokens: 500, ignore_eos: true }));
    expect(answer).toMatchObject({ usage: { completion_tokens: 500 } });
  });

  test("a stop text ends the answer before itself", async () => {
    const replica = await start(zeroLatency);
    const answer = await json(await ask(replica, "Hello", { stop: ["said"] }));
    const [choice] = (answer as { choices: { message: { content: string } }[] }).choices;
    expect(choice).toMatchObject({ finish_reason: "stop", stop_reason: "said" });
    expect(choice?.message.content).toEndWith("You ");
  });

  test("the queue refuses what does not fit, also before a stream begins", async () => {
    const replica = await start({ ...endless, maxNumQueuedReqs: 1 });
    const first = new AbortController();
    const running = ask(replica, "first", {}, first.signal).catch(() => "left");
    await until(async () => (await gauge(replica, "num_requests_running")) === 1);
    expect((await ask(replica, "second", { stream: true })).status).toBe(503);
    first.abort();
    await running;
  });
});

test("a prompt that the whole cache could not hold is refused, not left to block the queue", async () => {
  const replica = await start({ ...zeroLatency, kvBlocks: 8 });
  expect((await ask(replica, "leases ".repeat(200))).status).toBe(400);
  expect((await ask(replica, "Hello", { max_tokens: 2 })).status).toBe(200);
});

describe("the prefix cache", () => {
  test("a turn that continues a conversation finds all its whole blocks but the last token", async () => {
    const replica = await start(zeroLatency);
    const first = [{ role: "user", content: "Write 60 words about leases." }];
    const turn1 = await json(await post(replica, { messages: first }));
    const { content } = (turn1 as { choices: { message: { content: string } }[] }).choices[0]
      ?.message ?? { content: "" };
    const { prompt_tokens: prompt, completion_tokens: output } = usageOf(turn1);
    const second = [
      ...first,
      { role: "assistant", content },
      { role: "user", content: "And now?" },
    ];
    const turn2 = usageOf(await json(await post(replica, { messages: second })));
    expect(turn2.prompt_tokens_details.cached_tokens).toBe(
      Math.floor((prompt + output - 1) / 16) * 16,
    );
  });

  test("a salt keeps tenants apart", async () => {
    const replica = await start(zeroLatency);
    const messages = [{ role: "user", content: "Write 10 words. ".repeat(20) }];
    await post(replica, { messages, cache_salt: "a" });
    const other = usageOf(await json(await post(replica, { messages, cache_salt: "b" })));
    const same = usageOf(await json(await post(replica, { messages, cache_salt: "a" })));
    expect(other.prompt_tokens_details.cached_tokens).toBe(0);
    expect(same.prompt_tokens_details.cached_tokens).toBeGreaterThan(0);
  });

  test("what was used least recently goes first when blocks run out", async () => {
    const replica = await start({ ...zeroLatency, kvBlocks: 12, maxModelLen: 192 });
    const prompt = (from: number) => Array.from({ length: 100 }, (_, index) => from + index);
    const cached = async (from: number) => {
      const body = { prompt: prompt(from), max_tokens: 1 };
      const answer = await json(await post(replica, body, "/v1/completions"));
      return usageOf(answer).prompt_tokens_details.cached_tokens;
    };
    expect(await cached(1000)).toBe(0);
    expect(await cached(1000)).toBe(96);
    expect(await cached(2000)).toBe(0);
    expect(await cached(1000)).toBeLessThan(96);
  });
});

test("embeddings put texts that share words near each other, as numbers and as base64", async () => {
  const replica = await start(zeroLatency);
  const input = ["leases are fenced by an epoch", "how are leases fenced", "bread and butter"];
  const answer = await json(await post(replica, { input }, "/v1/embeddings"));
  const vectors = (answer as { data: { embedding: number[] }[] }).data.map(
    (each) => each.embedding,
  );
  const [a = [], b = [], c = []] = vectors;
  expect(dot(a, b)).toBeGreaterThan(dot(a, c) + 0.3);
  const packed = await json(
    await post(replica, { input: input[0], encoding_format: "base64" }, "/v1/embeddings"),
  );
  const text = (packed as { data: { embedding: string }[] }).data[0]?.embedding ?? "";
  const floats = new Float32Array(new Uint8Array(Buffer.from(text, "base64")).buffer);
  expect([...floats]).toEqual(a);
});

test("streamed calls add up to the calls of the whole answer", async () => {
  const replica = await start(zeroLatency);
  const parameters = {
    type: "object",
    properties: { expression: { type: "string" } },
    required: ["expression"],
  };
  const calculator = { type: "function", function: { name: "calculator", parameters } };
  const text = "In parallel: what is 11 * 22? Then what is (3 + 4) / 5?";
  const whole = await json(await ask(replica, text, { tools: [calculator] }));
  const stream = await ask(replica, text, { tools: [calculator], stream: true });
  const calls: { name: string; arguments: string }[] = [];
  for (const event of valuesOf(await stream.text())) {
    for (const call of deltaCallsOf(event)) {
      calls[call.index] ??= { name: "", arguments: "" };
      const target = calls[call.index];
      if (target === undefined) continue;
      target.name += call.function.name ?? "";
      target.arguments += call.function.arguments ?? "";
    }
  }
  expect(calls).toHaveLength(2);
  expect(whole).toMatchObject({
    choices: [{ message: { tool_calls: calls.map((call) => ({ function: call })) } }],
  });
});

async function start(config: Partial<ReplicaConfig>): Promise<Replica> {
  const replica = await createReplica({ config });
  open.push(replica);
  return replica;
}

function ask(replica: Replica, text: string, options: object = {}, signal?: AbortSignal) {
  const body = { messages: [{ role: "user", content: text }], ...options };
  return post(replica, body, "/v1/chat/completions", signal);
}

function post(
  replica: Replica,
  body: object,
  path = "/v1/chat/completions",
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(`${replica.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

function json(response: Response): Promise<unknown> {
  return response.json();
}

interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

function usageOf(answer: unknown): Usage {
  // The replica's own answer; its shape is held by recordings.test.ts.
  return (answer as { usage: Usage }).usage;
}

interface DeltaCall {
  index: number;
  function: { name?: string; arguments?: string };
}

function deltaCallsOf(event: unknown): DeltaCall[] {
  // As above.
  const { choices } = event as { choices: { delta: { tool_calls?: DeltaCall[] } }[] };
  return choices.flatMap((choice) => choice.delta.tool_calls ?? []);
}

async function gauge(replica: Replica, name: string): Promise<number> {
  const text = await (await fetch(`${replica.url}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`vllm:${name}{`));
  return Number(line?.split(" ").at(-1));
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error("the awaited state did not come in 5 s");
    await Bun.sleep(5);
  }
}

function dot(left: readonly number[], right: readonly number[]): number {
  return left.reduce((sum, value, index) => sum + value * (right[index] ?? 0), 0);
}
