import { stopRest, toolRest } from "../sessions/index.ts";
import { searchable } from "../upstream/json-scan.ts";
import { isNothing, toolNameAfter } from "../upstream/tool-name.ts";
import type { OpenCall } from "./end-call.ts";

/*
 * What a session waits for after an answer: a tool, whose kind of rest is learned by its name, or
 * whoever reads the answer.
 */

/** By which a whole answer of any format asks for tools. */
const toolMarks = ["tool_calls", "tool_use", "function_call"].map((mark) =>
  Buffer.from(`"${mark}"`),
);

/** How streams end whose client has to run a tool, where its name was not seen. */
const toolReasons: ReadonlySet<string> = new Set(["tool_calls", "tool_use", "function_call"]);

/** The rest that follows an answer, as {@link stopRest}, {@link toolRest}, or the tool's name. */
export function restOf(answer: OpenCall["answer"]): string {
  if (answer.kind === "stream") {
    const { toolName, finishReason } = answer.events.facts;
    if (finishReason === undefined) {
      // It was cut: nobody runs half a call.
      return stopRest;
    }
    return toolName ?? (toolReasons.has(finishReason) ? toolRest : stopRest);
  }
  const bytes = searchable(answer.bytes);
  for (const mark of toolMarks) {
    for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + mark.length)) {
      if (!isNothing(bytes, at + mark.length)) {
        return toolNameAfter(bytes, at) ?? toolRest;
      }
    }
  }
  return stopRest;
}
