import type { TaskEvent } from "@warmpath/proto/common";
import { ToolOutcome } from "@warmpath/proto/common";
import type { WatchTaskResponse } from "@warmpath/proto/gateway";

/** Longest piece of a tool's arguments or result that is shown. */
const shownCharsMax = 200;

/** Where the printer writes. */
export interface TextSink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/**
 * A function that prints a watch for a person: the answer as it comes, everything else on lines of
 * its own.
 */
export function createWatchPrinter(sink: TextSink): (response: WatchTaskResponse) => void {
  const dim = (text: string) => (sink.isTTY ? `\u001b[2m${text}\u001b[22m` : text);
  let midLine = false;
  const line = (text: string) => {
    sink.write(`${midLine ? "\n" : ""}${dim(text)}\n`);
    midLine = false;
  };
  return ({ update }) => {
    switch (update.case) {
      case "delta":
        sink.write(update.value.text);
        midLine = !update.value.text.endsWith("\n");
        return;
      case "retraction":
        line("(the attempt was abandoned: its text above is void)");
        return;
      case "event": {
        const text = eventLine(update.value);
        if (text !== undefined) {
          line(text);
        }
        return;
      }
      default:
    }
  };
}

function eventLine({ kind }: TaskEvent): string | undefined {
  switch (kind.case) {
    case "modelAnswered": {
      const { model, replica, usage, simulated } = kind.value;
      const tokens = `${usage?.inputTokens ?? 0n} in (${usage?.cachedInputTokens ?? 0n} cached), ${usage?.outputTokens ?? 0n} out`;
      return `· ${model} on ${replica}${simulated ? " (simulated)" : ""}: ${tokens}`;
    }
    case "toolStarted":
      return `→ ${kind.value.name} ${short(kind.value.argumentsJson)}`;
    case "toolFinished":
      return `← ${kind.value.name} ${ToolOutcome[kind.value.outcome].toLowerCase()}: ${short(kind.value.content)}`;
    case "messageReceived":
      return `« ${short(kind.value.text)}`;
    case "waiting":
      return `… ${kind.value.reason}`;
    case "completed":
      return "✓ completed";
    case "failed":
      return `✗ failed: ${kind.value.failure?.message ?? ""} (${kind.value.failure?.reason ?? ""})`;
    case "cancelled":
      return "✗ cancelled";
    default:
      return undefined;
  }
}

function short(text: string): string {
  const flat = text.replaceAll(/\s+/g, " ");
  return flat.length > shownCharsMax ? `${flat.slice(0, shownCharsMax)}…` : flat;
}
