import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import type { TaskEvent } from "@warmpath/proto/common";
import { AgentService, type WatchTaskResponse } from "@warmpath/proto/gateway";
import type { System } from "./system.ts";

/** The task the issue shows everything with: two tool calls, one after the other. */
export const showcaseText = "What is 12345 * 678? Then look up in the docs how leases are fenced.";

/** A browser's client of the gateway. */
export function webClient(
  system: System,
  protocol: "connect" | "grpc-web" = "connect",
  key = system.key,
): Client<typeof AgentService> {
  const create = protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
  return createClient(
    AgentService,
    create({
      baseUrl: system.gatewayUrl,
      interceptors: [
        (next) => (request) => {
          request.header.set("authorization", `Bearer ${key}`);
          return next(request);
        },
      ],
    }),
  );
}

/** What a watcher has pieced together. */
export interface Watched {
  readonly events: TaskEvent[];
  /** Text of each step as its deltas, less retractions, add up to. */
  readonly textOfStep: Map<number, string>;
  cursor: string;
  ended: boolean;
}

/** A watcher that has seen nothing. */
export function newWatched(): Watched {
  return { events: [], textOfStep: new Map(), cursor: "", ended: false };
}

/** Takes one response in. */
export function takeIn(watched: Watched, { cursor, update }: WatchTaskResponse): void {
  if (cursor !== "") {
    watched.cursor = cursor;
  }
  switch (update.case) {
    case "delta":
      watched.textOfStep.set(
        update.value.step,
        (watched.textOfStep.get(update.value.step) ?? "") + update.value.text,
      );
      return;
    case "retraction":
      watched.textOfStep.delete(update.value.step);
      return;
    case "event": {
      watched.events.push(update.value);
      const kind = update.value.kind.case;
      watched.ended = kind === "completed" || kind === "failed" || kind === "cancelled";
      return;
    }
    default:
  }
}

/** Watches a task to its end, reconnecting from the cursor whenever the stream breaks. */
export async function watchToEnd(
  client: Client<typeof AgentService>,
  taskId: string,
  { watched = newWatched(), timeoutMs = 60_000 } = {},
): Promise<Watched> {
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown;
  while (!watched.ended) {
    const left = deadline - performance.now();
    if (left <= 0) {
      throw new Error(
        `${taskId} did not end in ${timeoutMs} ms; events so far: ${kindsOf(watched).join(", ")}; last error: ${String(lastError)}`,
      );
    }
    try {
      const stream = client.watchTask(
        { taskId, cursor: watched.cursor },
        { timeoutMs: Math.ceil(left) },
      );
      for await (const response of stream) {
        takeIn(watched, response);
      }
    } catch (error) {
      lastError = error;
      // The system may be down at this moment: that is what some tests are about. The deadline
      // bounds it.
      await Bun.sleep(100);
    }
  }
  return watched;
}

/** The kinds of a watch's events, in order. */
export function kindsOf({ events }: Watched): string[] {
  return events.map(({ kind }) => kind.case ?? "");
}

/**
 * Fails unless the events have no gap or duplicate and every step's deltas add up to its recorded
 * text.
 */
export function assertWhole(watched: Watched): void {
  const seqs = watched.events.map(({ seq }) => Number(seq));
  const expected = seqs.map((_, index) => index + 1);
  if (JSON.stringify(seqs) !== JSON.stringify(expected)) {
    throw new Error(`events have gaps or duplicates: ${seqs.join(",")}`);
  }
  for (const { kind } of watched.events) {
    if (kind.case === "modelAnswered") {
      const shown = watched.textOfStep.get(kind.value.step) ?? "";
      if (shown !== kind.value.text) {
        throw new Error(
          `step ${kind.value.step} showed ${JSON.stringify(shown)}, recorded ${JSON.stringify(kind.value.text)}`,
        );
      }
    }
  }
}

/** The answer of a completed watch. */
export function answerOf({ events }: Watched): string {
  const last = events.at(-1)?.kind;
  return last?.case === "completed" ? last.value.answer : "";
}

/** Posts JSON to a path of the gateway or proxy. */
export function postJson(
  url: string,
  body: unknown,
  key: string | undefined,
  init: RequestInit = {},
): Promise<Response> {
  return fetch(url, {
    method: "POST",
    ...init,
    headers: {
      "content-type": "application/json",
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** The gateway's path of a method. */
export function methodUrl(system: System, method: string): string {
  return `${system.gatewayUrl}/warmpath.gateway.v1.AgentService/${method}`;
}
