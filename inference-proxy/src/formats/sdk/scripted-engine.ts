import {
  type FakeEngine,
  type SeenRequest,
  startFakeEngine,
  streamOf,
} from "../../testing/index.ts";

/*
 * An engine for client libraries. On each path it answers in that path's format: it calls the tool
 * that it is offered, and says its text once it has the tool's result or was offered none. A prompt
 * with one of these words gets what the word says: "refused" a 400, "busy" a 503; of a stream,
 * "slow" the beginning and then nothing, "broken" the beginning and an early end.
 */

/** What it calls the tool with. */
export const toolArguments = { expression: "1+1" };
/** The events of each of its streams' texts. */
const words = ["hel", "lo \u2028 wörld"];
/** What it says. */
export const saidText = words.join("");

type Body = Readonly<Record<string, unknown>>;

/** What an engine offers: every API, or one alone; by the title of a test. */
export const offers = {
  "every API": undefined,
  "only chats": "/v1/chat/completions",
  "only messages": "/v1/messages",
} as const;

/** Starts the engine; stop it after use. `only`: the one path that it has. */
export function startScriptedEngine(only?: string): FakeEngine {
  const engine = startFakeEngine();
  engine.answer = (request) =>
    only === undefined || request.path === only ? answer(request) : notFound();
  return engine;
}

function notFound(): Response {
  return Response.json({ detail: "Not Found" }, { status: 404 });
}

function answer({ path, body: text }: SeenRequest): Response {
  const body = JSON.parse(text) as Body;
  if (text.includes("refused")) {
    const error = { message: "this is not for me", type: "BadRequestError", code: 400 };
    return Response.json({ error }, { status: 400 });
  }
  if (text.includes("busy")) {
    const error = { message: "full", type: "Service Unavailable", code: 503 };
    return Response.json({ error }, { status: 503 });
  }
  const isCalling =
    Array.isArray(body["tools"]) &&
    !/"tool_call_id"|"tool_result"|"function_call_output"/.test(text);
  const told = formats[path]?.(isCalling);
  if (told === undefined) {
    return notFound();
  }
  if (body["stream"] !== true) {
    return Response.json(told.whole);
  }
  const isCut = text.includes("broken");
  return isCut || text.includes("slow")
    ? streamOf(told.events.slice(0, -4), { hangsAtEnd: !isCut })
    : streamOf(told.events);
}

interface Told {
  readonly whole: unknown;
  readonly events: readonly string[];
}

const formats: Readonly<Record<string, (isCalling: boolean) => Told>> = {
  "/v1/chat/completions": (isCalling) => (isCalling ? chatCall() : chatText()),
  "/v1/messages": (isCalling) => (isCalling ? messageCall() : messageText()),
  "/v1/responses": (isCalling) => (isCalling ? responseCall() : responseText()),
  "/v1/messages/count_tokens": () => ({ whole: { input_tokens: 12 }, events: [] }),
  "/v1/completions": () => ({
    whole: { ...completion, choices: [{ ...completed, text: saidText, finish_reason: "stop" }] },
    events: [
      ...words.map((text) => data({ ...completion, choices: [{ ...completed, text }] })),
      data({ ...completion, choices: [{ ...completed, text: "", finish_reason: "stop" }] }),
      "data: [DONE]\n\n",
    ],
  }),
  "/v1/embeddings": () => ({
    whole: {
      object: "list",
      model: "tiny",
      data: [{ object: "embedding", index: 0, embedding: [0.25, -0.5] }],
      usage: { prompt_tokens: 2, total_tokens: 2 },
    },
    events: [],
  }),
};

const completion = { id: "cmpl-1", object: "text_completion", created: 1, model: "tiny" };
const completed = { index: 0, logprobs: null, finish_reason: null };

const json = JSON.stringify(toolArguments);
const jsonPieces = [json.slice(0, 5), json.slice(5)];

function chat(message: object, deltas: readonly object[], reason: string): Told {
  const base = { id: "chatcmpl-1", created: 1, model: "tiny" };
  const usage = {
    prompt_tokens: 12,
    completion_tokens: 2,
    total_tokens: 14,
    prompt_tokens_details: { cached_tokens: 8 },
  };
  const chunk = (delta: object, finish_reason: string | null = null) =>
    data({
      ...base,
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta, finish_reason }],
    });
  return {
    whole: {
      ...base,
      object: "chat.completion",
      choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason: reason }],
      usage,
    },
    events: [
      chunk({ role: "assistant", content: "" }),
      ...deltas.map((delta) => chunk(delta)),
      chunk({}, reason),
      data({ ...base, object: "chat.completion.chunk", choices: [], usage }),
      "data: [DONE]\n\n",
    ],
  };
}

function chatText(): Told {
  const deltas = words.map((content) => ({ content }));
  return chat({ content: saidText }, deltas, "stop");
}

function chatCall(): Told {
  const call = {
    id: "call_1",
    type: "function",
    function: { name: "calculator", arguments: json },
  };
  const opening = { ...call, index: 0, function: { name: "calculator", arguments: "" } };
  const deltas = jsonPieces.map((piece) => ({
    tool_calls: [{ index: 0, function: { arguments: piece } }],
  }));
  const all = [{ tool_calls: [opening] }, ...deltas];
  return chat({ content: null, tool_calls: [call] }, all, "tool_calls");
}

function message(
  block: Body,
  opening: object,
  deltas: readonly object[],
  stop_reason: string,
): Told {
  const base = { id: "msg_1", type: "message", role: "assistant", model: "tiny" };
  const usage = { input_tokens: 4, cache_read_input_tokens: 8, cache_creation_input_tokens: 0 };
  const start = { ...base, content: [], stop_reason: null, stop_sequence: null };
  return {
    whole: {
      ...base,
      content: [block],
      stop_reason,
      stop_sequence: null,
      usage: { ...usage, output_tokens: 2 },
    },
    events: [
      named({
        type: "message_start",
        message: { ...start, usage: { ...usage, output_tokens: 1 } },
      }),
      named({ type: "content_block_start", index: 0, content_block: opening }),
      ...deltas.map((delta) => named({ type: "content_block_delta", index: 0, delta })),
      named({ type: "content_block_stop", index: 0 }),
      named({
        type: "message_delta",
        delta: { stop_reason, stop_sequence: null },
        usage: { output_tokens: 2 },
      }),
      named({ type: "message_stop" }),
    ],
  };
}

function messageText(): Told {
  const deltas = words.map((text) => ({ type: "text_delta", text }));
  const block = { type: "text", text: saidText };
  return message(block, { type: "text", text: "" }, deltas, "end_turn");
}

function messageCall(): Told {
  const block = { type: "tool_use", id: "toolu_1", name: "calculator", input: toolArguments };
  const deltas = jsonPieces.map((partial_json) => ({ type: "input_json_delta", partial_json }));
  return message(block, { ...block, input: {} }, deltas, "tool_use");
}

function response(item: Body, opening: object, middle: readonly Named[]): Told {
  const base = {
    id: "resp_1",
    object: "response",
    created_at: 1,
    model: "tiny",
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: "auto",
    tools: [],
    top_p: 1,
  };
  const usage = {
    input_tokens: 12,
    input_tokens_details: { cached_tokens: 8 },
    output_tokens: 2,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 14,
  };
  const whole = { ...base, status: "completed", output: [item], usage };
  const begun = { ...base, status: "in_progress", output: [], usage: null };
  const events: readonly Named[] = [
    { type: "response.created", response: begun },
    { type: "response.in_progress", response: begun },
    { type: "response.output_item.added", output_index: 0, item: opening },
    ...middle,
    { type: "response.output_item.done", output_index: 0, item },
    { type: "response.completed", response: whole },
  ];
  return {
    whole,
    events: events.map((event, at) => named({ ...event, sequence_number: at })),
  };
}

function responseText(): Told {
  const place = { item_id: "msg_1", output_index: 0, content_index: 0 };
  const part = { type: "output_text", text: saidText, annotations: [] };
  const item = { id: "msg_1", type: "message", role: "assistant" };
  return response(
    { ...item, status: "completed", content: [part] },
    { ...item, status: "in_progress", content: [] },
    [
      { type: "response.content_part.added", ...place, part: { ...part, text: "" } },
      ...words.map((delta) => ({
        type: "response.output_text.delta",
        ...place,
        delta,
        logprobs: [],
      })),
      { type: "response.output_text.done", ...place, text: saidText, logprobs: [] },
      { type: "response.content_part.done", ...place, part },
    ],
  );
}

function responseCall(): Told {
  const place = { item_id: "fc_1", output_index: 0 };
  const item = { id: "fc_1", type: "function_call", call_id: "call_1", name: "calculator" };
  return response(
    { ...item, status: "completed", arguments: json },
    { ...item, status: "in_progress", arguments: "" },
    [
      ...jsonPieces.map((delta) => ({
        type: "response.function_call_arguments.delta",
        ...place,
        delta,
      })),
      {
        type: "response.function_call_arguments.done",
        ...place,
        name: "calculator",
        arguments: json,
      },
    ],
  );
}

interface Named {
  readonly type: string;
  readonly [name: string]: unknown;
}

function named(event: Named): string {
  return `event: ${event.type}\n${data(event)}`;
}

function data(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}
