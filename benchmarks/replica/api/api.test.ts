import { afterEach, describe, expect, test } from "bun:test";
import type { ReplicaConfig } from "../config.ts";
import { exchange, type RawAnswer } from "../recorded/exchange.ts";
import { eventsOf } from "../recording.ts";
import { createReplica, type Replica } from "../replica.ts";

const open: Replica[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((replica) => replica.close()));
});

/** An engine whose steps take 3.5 ms, and one that takes longer for a step than any test. */
const lively = { profile: "tiny", speed: 1 };
const endless = { profile: "tiny", speed: 0.0001 };
/** Slow enough to be seen at work by one who asks over HTTP on a busy machine. */
const watchable = { profile: "tiny", speed: 0.05 };

test("the head of a stream leaves before its first token exists", async () => {
  const replica = await start(endless);
  const leave = new AbortController();
  const answer = await fetch(`${replica.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: [{ role: "user", content: "Hi" }], stream: true }),
    signal: leave.signal,
  });
  expect(answer.status).toBe(200);
  leave.abort();
});

describe("priority", () => {
  test("lets the more urgent of two waiting requests run first; the header wins over the body", async () => {
    const replica = await start({ ...watchable, maxNumSeqs: 1, schedulingPolicy: "priority" });
    const ended: string[] = [];
    const send = async (name: string, body: object, headers = {}) => {
      await ask(replica, { max_tokens: 10, ignore_eos: true, ...body }, headers);
      ended.push(name);
    };
    const first = send("running", { priority: 0 });
    await until(async () => (await metric(replica, "num_requests_running")) === 1);
    const patient = send("patient", { priority: 5 });
    await until(async () => (await metric(replica, "num_requests_waiting")) === 1);
    const urgent = send("urgent", { priority: 9 }, { "x-vllm-priority": "1" });
    await Promise.all([first, patient, urgent]);
    expect(ended).toEqual(["running", "urgent", "patient"]);
  });

  test("is accepted and changes nothing under first come first served", async () => {
    const replica = await start({ ...watchable, maxNumSeqs: 1 });
    const ended: string[] = [];
    const send = async (name: string, priority: number) => {
      await ask(replica, { max_tokens: 10, ignore_eos: true, priority });
      ended.push(name);
    };
    const first = send("first", 0);
    await until(async () => (await metric(replica, "num_requests_running")) === 1);
    const second = send("second", 9);
    await until(async () => (await metric(replica, "num_requests_waiting")) === 1);
    await Promise.all([first, second, send("third", -9)]);
    expect(ended).toEqual(["first", "second", "third"]);
  });
});

describe("a stream of several choices", () => {
  const streamOptions = { include_usage: true, continuous_usage_stats: true };
  const shape = { max_tokens: 3, ignore_eos: true, stream: true, stream_options: streamOptions };
  interface Chunk {
    readonly choices: readonly { readonly index: number; readonly delta?: { role?: string } }[];
    readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number };
  }
  const chunksOf = (answer: RawAnswer) =>
    (eventsOf(answer.body.trim()) ?? []).slice(0, -1).map(({ value }) => value as Chunk);

  test("names all roles first, then goes step by step, with each choice's own usage", async () => {
    const replica = await start({ speed: 0 });
    const chunks = chunksOf(await ask(replica, { ...shape, n: 2 }));
    const told = chunks.map(({ choices: [choice], usage }) => [
      choice?.index,
      choice?.delta?.role ?? "",
      usage.completion_tokens,
    ]);
    const roles = [
      [0, "assistant", 0],
      [1, "assistant", 0],
    ];
    // The first computes the prompt; the second hits its blocks in the same step or the next.
    const first = told.filter(([index]) => index === 0).map(([, , count]) => count);
    const second = told.filter(([index]) => index === 1).map(([, , count]) => count);
    expect(told.slice(0, 2)).toEqual(roles);
    expect([first, second]).toEqual([
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ]);
    const lastOfFirst = told.findIndex(([index, , count]) => index === 0 && count === 3);
    const firstOfSecond = told.findIndex(([index, , count]) => index === 1 && count === 1);
    expect(firstOfSecond).toBeLessThan(lastOfFirst);
    expect(told.at(-1)).toEqual([undefined, "", 6]);
  });

  test("counts each prompt of a batch for itself, and all of them at the end", async () => {
    const replica = await start({ speed: 0 });
    const body = { ...shape, prompt: [range(5), range(9)] };
    const chunks = chunksOf(await post(replica, "/v1/completions", body));
    const prompts = chunks.map(({ choices, usage }) => [choices[0]?.index, usage.prompt_tokens]);
    expect(new Set(prompts.map(String))).toEqual(new Set(["0,5", "1,9", ",14"]));
  });
});

describe("a field of the wrong type or out of range", () => {
  const cases: readonly (readonly [object, string | null, string])[] = [
    [{ temperature: "hot" }, "body.temperature", "Bad Request"],
    [{ stream: "yes" }, "body.stream", "Bad Request"],
    [{ stream: true, stream_options: 5 }, "body.stream_options", "Bad Request"],
    [{ priority: 1.5 }, "body.priority", "Bad Request"],
    [{ cache_salt: 5 }, "body.cache_salt", "Bad Request"],
    [{ tools: 5 }, "body.tools", "Bad Request"],
    [{ tools: [{}] }, "body.tools.0.function", "Bad Request"],
    [{ tool_choice: "some" }, "body.tool_choice", "Bad Request"],
    [{ response_format: { type: "prose" } }, "body.response_format.type", "Bad Request"],
    [{ stop: 5 }, "body.stop", "Bad Request"],
    [{ messages: [5] }, "body.messages.0", "Bad Request"],
    [{ messages: [{ content: "x" }] }, "body.messages.0.role", "Bad Request"],
    [{ messages: [{ role: "user", content: 5 }] }, "body.messages.0.content", "Bad Request"],
    [{ top_p: 0 }, "top_p", "BadRequestError"],
    [{ presence_penalty: 3 }, null, "BadRequestError"],
    [{ top_logprobs: 2 }, "top_logprobs", "BadRequestError"],
    [{ logprobs: true, top_logprobs: 21 }, "logprobs", "BadRequestError"],
    [{ max_tokens: 2, min_tokens: 5 }, null, "BadRequestError"],
  ];

  test("is refused as vLLM refuses it, naming the field", async () => {
    const replica = await start({ speed: 0 });
    for (const [fields, param, type] of cases) {
      const answer = await ask(replica, fields);
      expect([answer.status, JSON.parse(answer.body)]).toMatchObject([
        400,
        { error: { param, type } },
      ]);
    }
    for (const fields of [{ prompt: [1, "x"] }, { prompt: [1.5] }, { prompt: "x", suffix: "y" }]) {
      expect((await post(replica, "/v1/completions", fields)).status).toBe(400);
    }
    const nothing = { temperature: null, stop: null, tools: null, top_logprobs: 0, max_tokens: 1 };
    expect((await ask(replica, nothing)).status).toBe(200);
  });
});

test("/tokenize names the texts of a conversation's tokens where it is asked to", async () => {
  const replica = await start({ speed: 0 });
  const body = { messages: [{ role: "user", content: "Good day" }], return_token_strs: true };
  const answer = await post(replica, "/tokenize", body);
  const { count, token_strs: texts } = JSON.parse(answer.body) as {
    count: number;
    token_strs: string[];
  };
  expect(texts).toHaveLength(count);
  expect(texts.join("")).toContain("Good day");
});

describe("the limits of the queue", () => {
  test("count every alternative of a request", async () => {
    const replica = await start({ speed: 0, maxNumQueuedReqs: 3 });
    expect((await ask(replica, { n: 4, max_tokens: 1 })).status).toBe(503);
    expect((await ask(replica, { n: 3, max_tokens: 1 })).status).toBe(200);
    expect(await metric(replica, "admission_rejections_total")).toBe(1);
  });

  test("let one long prompt in when nothing waits, and none behind it", async () => {
    const replica = await start({ ...endless, maxNumQueuedTokens: 100 });
    const leave = new AbortController();
    const long = { prompt: range(3000), max_tokens: 1, stream: true };
    const running = await fetch(`${replica.url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(long),
      signal: leave.signal,
    });
    expect(running.status).toBe(200);
    expect((await post(replica, "/v1/completions", { ...long, stream: false })).status).toBe(503);
    leave.abort();
  });
});

test("/load counts requests in flight, whole and streamed, until they end or leave", async () => {
  const replica = await start(lively);
  const load = async () => {
    const answer = await exchange(replica.url, { method: "GET", path: "/load" });
    return (JSON.parse(answer.body) as { server_load: number }).server_load;
  };
  const leave = new AbortController();
  const left = fetch(`${replica.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: [{ role: "user", content: "Write 5000 words." }] }),
    signal: leave.signal,
  }).catch(() => "left");
  const streamed = ask(replica, { stream: true, n: 2, max_tokens: 20, ignore_eos: true });
  await until(async () => (await load()) === 2);
  await streamed;
  expect(await load()).toBe(1);
  leave.abort();
  expect(await left).toBe("left");
  await until(async () => (await load()) === 0);
});

test("one of three equal prompts that come together is computed, the others find its blocks", async () => {
  const replica = await start({ speed: 0 });
  const prompt = range(320);
  const answers = await Promise.all(
    [1, 2, 3].map(() => post(replica, "/v1/completions", { prompt, max_tokens: 1 })),
  );
  const cached = answers.map(({ body }) => usageOf(body).prompt_tokens_details.cached_tokens);
  // The last block of a prompt that is all blocks is computed again.
  expect(cached.toSorted((a, b) => a - b)).toEqual([0, 304, 304]);
});

test("when the cache is full, sequences are preempted, answered all the same, and counted", async () => {
  const replica = await start({ speed: 0, kvBlocks: 24, blockSize: 16, maxModelLen: 384 });
  const answers = await Promise.all(
    range(4).map((first) =>
      post(replica, "/v1/completions", {
        prompt: range(64).map((index) => first * 1000 + index),
        max_tokens: 200,
        ignore_eos: true,
      }),
    ),
  );
  for (const { body } of answers) expect(usageOf(body).completion_tokens).toBe(200);
  expect(await metric(replica, "num_preemptions_total")).toBeGreaterThan(0);
  expect(await metric(replica, "prefix_cache_queries_total")).toBe(4 * 64);
  expect(await metric(replica, "prompt_tokens_total")).toBe(4 * 64);
});

describe("/v1/messages", () => {
  const tools = [
    {
      name: "calculator",
      description: "Calculates.",
      input_schema: {
        type: "object",
        properties: { expression: { type: "string" } },
        required: ["expression"],
      },
    },
  ];
  const question = { role: "user", content: [{ type: "text", text: "What is 2 * 21?" }] };

  test("asks for a tool and takes its result", async () => {
    const replica = await start({ speed: 0 });
    const call = await post(replica, "/v1/messages", {
      max_tokens: 200,
      tools,
      messages: [question],
    });
    const asked = JSON.parse(call.body) as { stop_reason: string; content: { id: string }[] };
    expect(asked).toMatchObject({
      stop_reason: "tool_use",
      content: [{ type: "tool_use", name: "calculator", input: { expression: "2 * 21" } }],
    });
    const result = { type: "tool_result", tool_use_id: asked.content[0]?.id, content: "42" };
    const answer = await post(replica, "/v1/messages", {
      max_tokens: 200,
      tools,
      messages: [
        question,
        { role: "assistant", content: asked.content },
        { role: "user", content: [result] },
      ],
    });
    expect(JSON.parse(answer.body)).toMatchObject({
      stop_reason: "end_turn",
      content: [{ type: "text", text: "[simulated] 2 * 21 = 42." }],
    });
  });

  test("streams the input of a call in pieces", async () => {
    const replica = await start({ speed: 0 });
    const body = { max_tokens: 200, stream: true, tools, messages: [question] };
    const { body: text } = await post(replica, "/v1/messages", body);
    const events = eventsOf(text.trim()) ?? [];
    const kinds = events.map(({ name }) => name);
    expect(kinds.filter((kind, index) => kind !== kinds[index - 1])).toEqual([
      "message_start",
      "content_block_start",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    const pieces = events.flatMap(({ value }) => {
      const { delta } = value as { delta?: { partial_json?: string } };
      return delta?.partial_json ?? [];
    });
    expect(JSON.parse(pieces.join(""))).toEqual({ expression: "2 * 21" });
  });

  test("counts no cached token as an input token", async () => {
    const replica = await start({ speed: 0 });
    const body = { max_tokens: 1, messages: [{ role: "user", content: "word ".repeat(100) }] };
    await post(replica, "/v1/messages", body);
    const { usage } = JSON.parse((await post(replica, "/v1/messages", body)).body) as {
      usage: { input_tokens: number; cache_read_input_tokens: number };
    };
    expect(usage.cache_read_input_tokens).toBeGreaterThan(0);
    const count = await post(replica, "/v1/messages/count_tokens", body);
    expect(JSON.parse(count.body)).toMatchObject({
      input_tokens: usage.input_tokens + usage.cache_read_input_tokens,
    });
  });
});

test("log probabilities of a completion stand beside its tokens, with their places in the text", async () => {
  const replica = await start({ speed: 0 });
  const body = { prompt: "Hello", max_tokens: 4, logprobs: 2, ignore_eos: true };
  const { choices } = JSON.parse((await post(replica, "/v1/completions", body)).body) as {
    choices: { text: string; logprobs: { tokens: string[]; text_offset: number[] } }[];
  };
  const { text = "", logprobs } = choices[0] ?? {};
  expect(logprobs?.tokens.join("")).toBe(text);
  expect(logprobs?.text_offset).toHaveLength(4);
  expect(logprobs).toMatchObject({ token_logprobs: [1, 2, 3, 4].map(() => expect.any(Number)) });
});

test("/detokenize turns back what /tokenize cut", async () => {
  const replica = await start({ speed: 0 });
  const prompt = "Leases are fenced by an epoch.";
  const { tokens } = JSON.parse((await post(replica, "/tokenize", { prompt })).body) as {
    tokens: number[];
  };
  const back = await post(replica, "/detokenize", { tokens });
  expect(JSON.parse(back.body)).toEqual({ prompt });
});

async function start(config: Partial<ReplicaConfig>): Promise<Replica> {
  const replica = await createReplica({ config: { profile: "tiny", ...config } });
  open.push(replica);
  return replica;
}

function post(replica: Replica, path: string, body: object, headers = {}): Promise<RawAnswer> {
  return exchange(replica.url, {
    method: "POST",
    path,
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

function ask(replica: Replica, options: object, headers = {}): Promise<RawAnswer> {
  const body = { messages: [{ role: "user", content: "Hello" }], ...options };
  return post(replica, "/v1/chat/completions", body, headers);
}

async function metric(replica: Replica, name: string): Promise<number> {
  const { body } = await exchange(replica.url, { method: "GET", path: "/metrics" });
  const line = body.split("\n").find((each) => each.startsWith(`vllm:${name}{`));
  return Number(line?.split(" ").at(-1));
}

interface Usage {
  readonly completion_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

function usageOf(body: string): Usage {
  // Its shape is held by the recordings.
  return (JSON.parse(body) as { usage: Usage }).usage;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 4_000;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error("the awaited state did not come in 4 s");
    await Bun.sleep(1);
  }
}
