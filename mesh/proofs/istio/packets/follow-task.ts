/** A task as a client outside lives through it: submitted once, watched on whatever breaks. */
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import type { TaskEvent } from "@warmpath/proto/common";
import { AgentService, type WatchTaskResponse } from "@warmpath/proto/gateway";
import { messageOf } from "@warmpath/runtime/base";
import type { Order, TaskAnswer } from "./agent-protocol.ts";

const retryMs = 100;

interface Seen {
  readonly events: TaskEvent[];
  readonly textOfStep: Map<number, string>;
  readonly breaks: string[];
  cursor: string;
  isEnded: boolean;
}

/**
 * Submits and watches to the end, continuing from the cursor when a watch breaks; says "delta" at
 * the first token.
 */
export async function followTask(
  { url, key, text, timeoutMs }: Extract<Order, { op: "task" }>,
  tls: { readonly ca: string },
  say: (event: string) => void,
): Promise<TaskAnswer> {
  const startedAtMs = performance.now();
  const leftMs = () => Math.ceil(startedAtMs + timeoutMs - performance.now());
  const headers = { authorization: `Bearer ${key}` };
  // Bun's fetch takes more than the standard's.
  const withTls = ((input: string, init?: RequestInit) =>
    fetch(input, { ...init, tls })) as typeof fetch;
  const client = createClient(
    AgentService,
    createConnectTransport({ baseUrl: url, fetch: withTls }),
  );
  const request = { agent: "assistant", message: { text }, idempotencyKey: crypto.randomUUID() };
  const { taskId } = await client.submitTask(request, { headers, timeoutMs });
  const seen: Seen = { events: [], textOfStep: new Map(), breaks: [], cursor: "", isEnded: false };
  while (!seen.isEnded && leftMs() > 0) {
    try {
      const watch = { taskId, cursor: seen.cursor };
      for await (const response of client.watchTask(watch, { headers, timeoutMs: leftMs() })) {
        if (response.update.case === "delta" && seen.textOfStep.size === 0) {
          say("delta");
        }
        takeIn(seen, response);
      }
      if (!seen.isEnded) {
        seen.breaks.push("ended early");
      }
    } catch (error) {
      seen.breaks.push(messageOf(error));
      // The gateway may be between two of its lives.
      await Bun.sleep(retryMs);
    }
  }
  const kinds = seen.events.map(({ kind }) => kind.case ?? "");
  const last = seen.events.at(-1)?.kind;
  return {
    taskId,
    kinds,
    answer: last?.case === "completed" ? last.value.answer : "",
    resumed: seen.breaks.length,
    breaks: seen.breaks,
    faults: faultsOf(seen),
    ms: Math.round(performance.now() - startedAtMs),
  };
}

function takeIn(seen: Seen, { cursor, update }: WatchTaskResponse): void {
  seen.cursor = cursor === "" ? seen.cursor : cursor;
  switch (update.case) {
    case "delta": {
      const { step, text } = update.value;
      seen.textOfStep.set(step, (seen.textOfStep.get(step) ?? "") + text);
      return;
    }
    case "retraction":
      seen.textOfStep.delete(update.value.step);
      return;
    case "event": {
      seen.events.push(update.value);
      const kind = update.value.kind.case;
      seen.isEnded = kind === "completed" || kind === "failed" || kind === "cancelled";
      return;
    }
    default:
  }
}

function faultsOf({ events, textOfStep, isEnded }: Seen): readonly string[] {
  const faults = isEnded ? [] : ["the task did not end in time"];
  const seqs = events.map(({ seq }) => Number(seq));
  if (seqs.some((seq, index) => seq !== index + 1)) {
    faults.push(`events have gaps or duplicates: ${seqs.join(",")}`);
  }
  for (const { kind } of events) {
    if (kind.case === "modelAnswered") {
      const shown = textOfStep.get(kind.value.step) ?? "";
      if (shown !== kind.value.text) {
        faults.push(
          `step ${kind.value.step} showed ${shown.length} characters, recorded ${kind.value.text.length}`,
        );
      }
    }
  }
  return faults;
}
