import { dataOf, splitEvents } from "../../upstream/sse.ts";
import {
  type ClientFormat,
  createStreamTranslator,
  type Format,
  type JsonObject,
} from "./index.ts";

/* What the tests of streams share. */

/** A stream in the target's words, its bytes handed over in pieces of this size. */
export function translateStream(
  from: Format,
  to: ClientFormat,
  text: string,
  pieceBytes = Number.MAX_SAFE_INTEGER,
): string {
  const bytes = new TextEncoder().encode(text);
  const translator = createStreamTranslator(from, to);
  const told: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    told.push(translator.push(bytes.subarray(at, at + pieceBytes)));
  }
  told.push(translator.end());
  return Buffer.concat(told).toString();
}

/** The JSON of each event; an end mark stays text. */
export function eventsOf(text: string): readonly (JsonObject | string)[] {
  return splitEvents(new TextEncoder().encode(text)).map((event) => {
    const data = dataOf(event) ?? "";
    return data.startsWith("{") ? (JSON.parse(data) as JsonObject) : data;
  });
}

/** Events as Anthropic and the Responses API write them: named by their type. */
export function named(events: readonly (JsonObject & { readonly type: string })[]): string {
  return events.map((each) => `event: ${each.type}\ndata: ${JSON.stringify(each)}\n\n`).join("");
}

/** Events as OpenAI's chat and Gemini write them. */
export function unnamed(events: readonly (JsonObject | string)[]): string {
  return events
    .map((each) => `data: ${typeof each === "string" ? each : JSON.stringify(each)}\n\n`)
    .join("");
}

/** Chunks of one chat completion: its deltas, then a finish reason, usage and the end mark. */
export function chatStream(
  deltas: readonly JsonObject[],
  finishReason = "stop",
  usage: JsonObject = { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 },
): string {
  const chunk = (members: JsonObject) => ({
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 0,
    model: "tiny",
    ...members,
  });
  const choice = (delta: JsonObject, reason: string | null) =>
    chunk({ choices: [{ index: 0, delta, finish_reason: reason }] });
  return unnamed([
    ...deltas.map((delta) => choice(delta, null)),
    choice({}, finishReason),
    chunk({ choices: [], usage }),
    "[DONE]",
  ]);
}
