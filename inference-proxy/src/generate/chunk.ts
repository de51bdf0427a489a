/** What one event of a chat stream (or the one choice of a whole answer) says. */
export interface Delta {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCallFragment[];
  readonly finishReason: string | undefined;
  /** The upstream's error message; undefined when there is none. */
  readonly error: string | undefined;
}

/** A piece of a tool call, as far as the engine named it. */
export interface ToolCallFragment {
  readonly index: number | undefined;
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

/**
 * Reads the JSON of one chunk, or of a whole chat completion. Fields of other types count as
 * absent.
 */
export function parseDelta(json: string): Delta {
  const body = recordOf(JSON.parse(json));
  const choice = recordOf(arrayOf(body["choices"])[0]);
  const delta = recordOf(choice["delta"] ?? choice["message"]);
  const error = body["error"];
  return {
    text: textOf(delta["content"]),
    // vLLM says `reasoning`, others `reasoning_content`.
    reasoning: textOf(delta["reasoning"]) || textOf(delta["reasoning_content"]),
    toolCalls: arrayOf(delta["tool_calls"]).map(fragmentOf),
    finishReason: textOf(choice["finish_reason"]) || undefined,
    error:
      error === undefined || error === null
        ? undefined
        : textOf(recordOf(error)["message"]) || JSON.stringify(error),
  };
}

function fragmentOf(value: unknown): ToolCallFragment {
  const fragment = recordOf(value);
  const called = recordOf(fragment["function"]);
  const { index } = fragment;
  return {
    index: typeof index === "number" && Number.isInteger(index) && index >= 0 ? index : undefined,
    id: textOf(fragment["id"]),
    name: textOf(called["name"]),
    // A few servers send the arguments as an object instead of its text.
    arguments:
      typeof called["arguments"] === "object" && called["arguments"] !== null
        ? JSON.stringify(called["arguments"])
        : textOf(called["arguments"]),
  };
}

function recordOf(value: unknown): Record<string, unknown> {
  // A non-array object is a record of its members.
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
