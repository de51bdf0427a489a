import { doneData, eventOf } from "../upstream/sse.ts";

/*
 * A whole answer as the stream that the same engine would have given: for each choice its beginning
 * and its text, then its end; the usage event; the end mark. Tokens are not told apart any more, so
 * a text comes in one piece.
 */

type Json = Record<string, unknown>;

/** The stream's events, usage included; undefined for what is no whole answer. */
export function writeStream(whole: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const answer = parseRecord(whole);
  if (answer === undefined || !Array.isArray(answer["choices"])) {
    return undefined;
  }
  const { choices, usage, object, id, created, model, system_fingerprint: fingerprint } = answer;
  const isChat = object === "chat.completion";
  const head = {
    id,
    object: isChat ? "chat.completion.chunk" : object,
    created,
    model,
    ...(typeof fingerprint === "string" ? { system_fingerprint: fingerprint } : {}),
  };
  const events: Uint8Array[] = [];
  for (const choice of choices as readonly unknown[]) {
    if (!isRecord(choice)) {
      return undefined;
    }
    for (const piece of isChat ? chatPieces(choice) : textPieces(choice)) {
      events.push(eventOf({ ...head, choices: [piece] }));
    }
  }
  if (isRecord(usage)) {
    events.push(eventOf({ ...head, choices: [], usage }));
  }
  events.push(new TextEncoder().encode(`data: ${doneData}\n\n`));
  return Buffer.concat(events);
}

function chatPieces(choice: Json): readonly Json[] {
  const { index, message, logprobs, finish_reason: finishReason, stop_reason: stopReason } = choice;
  const { role, tool_calls: calls, ...said } = isRecord(message) ? message : {};
  const delta = {
    ...Object.fromEntries(Object.entries(said).filter(([, value]) => value !== null)),
    ...(Array.isArray(calls) && calls.length > 0
      ? { tool_calls: calls.map((call: unknown, at) => ({ index: at, ...(call as Json) })) }
      : {}),
  };
  return [
    { index, delta: { role: role ?? "assistant", content: "" }, finish_reason: null },
    { index, delta, logprobs: logprobs ?? null, finish_reason: null },
    {
      index,
      delta: {},
      finish_reason: finishReason,
      ...(stopReason === undefined ? {} : { stop_reason: stopReason }),
    },
  ];
}

function textPieces(choice: Json): readonly Json[] {
  const { finish_reason: finishReason, ...rest } = choice;
  return [
    { ...rest, finish_reason: null },
    { index: choice["index"], text: "", logprobs: null, finish_reason: finishReason },
  ];
}

function parseRecord(bytes: Uint8Array): Json | undefined {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isRecord(parsed) ? parsed : undefined;
  } catch {
    // No JSON: then it is no answer of this API.
    return undefined;
  }
}

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
