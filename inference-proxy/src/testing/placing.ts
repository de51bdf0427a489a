import { seededRandom } from "@warmpath/runtime/base";
import { type Booking, type Endpoint, Placer, type PromptSummary } from "../pick/index.ts";

/** The replicas of a small fleet. */
export const names = ["a", "b", "c", "d"];

/** One that is well and has room. */
export function endpoint(name: string, over: Partial<Endpoint> = {}): Endpoint {
  return {
    name,
    healthy: true,
    unhealthyReason: "",
    models: new Set(["m"]),
    inFlightMax: 1000,
    engineRunning: undefined,
    engineWaiting: undefined,
    kvTokens: 1_000_000,
    ...over,
  };
}

/** The fleet, all well. */
export const all = names.map((name) => endpoint(name));

/** A session's prompt of so many chunks, with a tail of 100 tokens: equal ids, equal prefixes. */
export function promptOf(sessionId: string, chunks: number, over: Partial<PromptSummary> = {}) {
  const own = Number(Bun.hash(sessionId) % 1_000_000n) * 1000;
  return {
    keys: Array.from({ length: chunks }, (_, chunk) => own + chunk),
    chunks,
    chunkTokens: 256,
    promptTokens: chunks * 256 + 100,
    isExact: false,
    sessionId,
    parentId: undefined,
    ...over,
  };
}

/** A request with the prompt. */
export const ask = (prompt: PromptSummary, excluded = new Set<string>()) => ({
  model: "m",
  excluded,
  prompt,
});

/** A placer for the fleet. */
export function placerOf(seed = 1): Placer {
  return new Placer({ names, random: seededRandom(seed) });
}

/** Places, and fails where there is no place. */
export function place(placer: Placer, prompt: PromptSummary, nowMs = 0, endpoints = all): Booking {
  const placed = placer.place(endpoints, ask(prompt), nowMs);
  if (!("booking" in placed)) {
    throw new Error(placed.reason);
  }
  return placed.booking;
}

/** The booking ends well, with all but the tail found cached. */
export function finish(
  booking: Booking,
  prompt: PromptSummary,
  nowMs: number,
  rest = "bash",
): void {
  const { promptTokens } = prompt;
  booking.firstEvent(nowMs);
  booking.release({ usage: { promptTokens, cachedTokens: promptTokens - 100 }, rest }, nowMs);
}
