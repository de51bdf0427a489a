import { type MockPlan, readCounts, setPlan } from "../upstream/plan.ts";
import { chatBody, chatRequest } from "./chat-body.ts";
import type { LeaveOrder, LeaveResult } from "./order.ts";
import { openStreamConnection, type StreamConnection } from "./stream-connection.ts";

/** Tokens that a caller reads before it leaves midway. */
const tokensRead = 3;
/** When a caller leaves at the latest that has not got anything yet. */
const patienceMsMax = 200;
/** Tokens that take longer than anybody watches. */
const tokensPerStream = 10_000;
const firstTokensMsMax = 10_000;

/** Opens streams, leaves them at the same point, and looks at how long the upstream goes on. */
export async function runLeave(order: LeaveOrder): Promise<LeaveResult> {
  const { hostname, port } = new URL(order.url);
  const isStream = order.when !== "before-whole";
  await setPlan(order.mockUrl, planOf(order));
  const request = chatRequest(order, chatBody(order.bodyBytes, { stream: isStream }));
  const connections = await Promise.all(
    Array.from({ length: order.streams }, () =>
      openStreamConnection(hostname, Number(port), request),
    ),
  );
  const left = await Promise.all(connections.map((each) => leaveAt(order, each)));
  await Bun.sleep(order.watchMs);
  const { tokens, cut } = await readCounts(order.mockUrl);
  const failures = left.filter((hasLeft) => !hasLeft).length;
  const made = tokens / order.streams;
  const read = order.when === "midway" ? tokensRead : 0;
  return {
    streams: order.streams,
    failures,
    cut,
    tokensPerStream: made,
    tokensAfterLeaving: Math.max(0, made - read),
  };
}

function planOf({ when, intervalMs, watchMs }: LeaveOrder): MockPlan {
  const stream = { tokens: tokensPerStream, intervalMs };
  // Whoever leaves before the first byte must be gone, and noticed or not, before that byte is due.
  const firstMs = patienceOf(watchMs) + 2 * watchMs;
  if (when === "midway") return { kind: "stream", firstMs: 0, ...stream };
  return { kind: when === "before-first" ? "stream" : "whole", firstMs, ...stream };
}

const patienceOf = (watchMs: number): number => Math.min(patienceMsMax, watchMs);

/** Resolves when the caller has left; false when the answer failed before that. */
function leaveAt(order: LeaveOrder, connection: StreamConnection): Promise<boolean> {
  const { when, watchMs } = order;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const leave = (hasWhatItWanted: boolean) => {
    clearTimeout(timer);
    resolve(hasWhatItWanted);
    connection.leave();
  };
  const timer = setTimeout(
    () => leave(when !== "midway"),
    when === "midway" ? firstTokensMsMax : patienceOf(watchMs),
  );
  connection.start({
    onToken(number) {
      if (number === tokensRead - 1) leave(when === "midway");
    },
    onEnd: () => leave(false),
  });
  return promise;
}
