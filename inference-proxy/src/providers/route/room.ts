import type { NoEndpoint, RequestOfAnyPrompt } from "../../pick/index.ts";
import type { Room } from "./types.ts";

/** A request of this model of which nothing else is known. */
export function anyRequestOf(model: string): RequestOfAnyPrompt {
  return { model, excluded: new Set() };
}

/** What placement's refusal of a request says of the model; without one there is room. */
export function roomOf(refusal: NoEndpoint | undefined): Room {
  switch (refusal) {
    case undefined:
      return "free";
    case "saturated":
    case "no-room":
    case "closed":
      return "saturated";
    case "unknown-model":
    case "too-long":
      return "unknown";
    case "unhealthy":
    case "draining":
    case "held-back":
    case "excluded":
      return "unhealthy";
  }
}
