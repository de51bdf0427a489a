import { keyBytes } from "./json-scan.ts";
import { bytesOf, createNamedTap, recordAt } from "./named-tap.ts";
import type { StreamTap } from "./stream-tap.ts";

/*
 * Streams of Anthropic's messages: `message_start` opens with the prompt's usage, `message_delta`
 * closes with the stop reason and the answer's usage, `message_stop` is the end. vLLM writes the
 * same, and names no stop reason for an answer that it gave up.
 */

// Of `message_start`, `message_delta` and `message_stop`, and of errors.
const marks = [Buffer.from('"message_'), keyBytes("error")];

/** A tap for one stream of `/v1/messages`. */
export function createMessagesTap(): StreamTap {
  let stopReason: string | undefined;
  let usage: Readonly<Record<string, unknown>> = {};
  return createNamedTap({
    name: "messages",
    marks,
    pieceMark: keyBytes("content_block_delta"),
    read: (event, facts) => {
      switch (event["type"]) {
        case "message_start":
          usage = reported(recordAt(event["message"])?.["usage"]);
          facts.promptUsage = bytesOf(usage);
          return;
        case "message_delta": {
          const reason = recordAt(event["delta"])?.["stop_reason"];
          stopReason = isRealReason(reason) ? reason : stopReason;
          // What the end says wins: vLLM knows only there how much of the prompt was cached.
          facts.usage = bytesOf({ ...usage, ...reported(event["usage"]) });
          return;
        }
        case "message_stop":
          facts.finishReason = stopReason;
          facts.isFalseEnd = stopReason === undefined && !facts.isFailed;
          return;
        default:
          // An engine's own errors may have no type: `{"error":{…}}`.
          facts.isFailed ||= recordAt(event["error"]) !== undefined;
          return;
      }
    },
  });
}

/** True for a whole message that the engine gave up: without a reason why it stopped. */
export function isMessageGivenUp(answer: Readonly<Record<string, unknown>>): boolean {
  return answer["type"] === "message" && !isRealReason(answer["stop_reason"]);
}

function isRealReason(reason: unknown): reason is string {
  return typeof reason === "string" && reason !== "abort";
}

/** The members that say something: null would hide what an earlier event said. */
function reported(usage: unknown): Readonly<Record<string, unknown>> {
  const members = Object.entries(recordAt(usage) ?? {});
  return Object.fromEntries(members.filter(([, value]) => value !== null));
}
