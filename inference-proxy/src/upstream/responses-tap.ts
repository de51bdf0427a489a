import { keyBytes } from "./json-scan.ts";
import { bytesOf, createNamedTap, recordAt } from "./named-tap.ts";
import type { StreamTap } from "./stream-tap.ts";

/*
 * Streams of OpenAI's responses: one of `response.completed`, `.incomplete` and `.failed` ends them
 * and carries the whole response once more, with its status and usage.
 */

const marks = [
  keyBytes("response.completed"),
  keyBytes("response.incomplete"),
  keyBytes("response.failed"),
  keyBytes("error"),
];

/** A tap for one stream of `/v1/responses`. */
export function createResponsesTap(): StreamTap {
  return createNamedTap({
    name: "responses",
    marks,
    // The end of `"response.output_text.delta"` and of its siblings.
    pieceMark: Buffer.from('.delta"'),
    read: (event, facts) => {
      const response = recordAt(event["response"]);
      switch (event["type"]) {
        case "response.completed":
        case "response.incomplete":
          facts.isFalseEnd = isResponseGivenUp(response ?? {});
          if (!facts.isFalseEnd) {
            facts.finishReason = reasonOf(response);
          }
          break;
        case "response.failed":
        case "error":
          facts.isFailed = true;
          break;
        default:
          // An engine's own errors may have no type: `{"error":{…}}`.
          facts.isFailed ||= recordAt(event["error"]) !== undefined;
          return;
      }
      const usage = recordAt(response?.["usage"]);
      facts.usage = usage === undefined ? facts.usage : bytesOf(usage);
    },
  });
}

/** True for a response that the engine gave up: nobody could have asked it to cancel one. */
export function isResponseGivenUp(response: Readonly<Record<string, unknown>>): boolean {
  return response["status"] === "cancelled";
}

function reasonOf(response: Readonly<Record<string, unknown>> | undefined): string {
  const reason = recordAt(response?.["incomplete_details"])?.["reason"];
  if (typeof reason === "string") {
    return reason;
  }
  return asksForTool(response?.["output"]) ? "tool_calls" : "completed";
}

/** True where the client has to run something: the status alone does not say so. */
function asksForTool(output: unknown): boolean {
  return (
    Array.isArray(output) && output.some((item) => toolCalls.has(String(recordAt(item)?.["type"])))
  );
}

const toolCalls: ReadonlySet<string> = new Set(["function_call", "custom_tool_call"]);
