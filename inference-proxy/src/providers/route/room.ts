import type { NoEndpoint, RequestSummary } from "../../pick/index.ts";
import type { Room } from "./types.ts";

/** A request of this model of which nothing else is known. */
export function anyRequestOf(model: string): RequestSummary {
  return { model, excluded: new Set(), warmOn: undefined };
}

/** What placement's refusal of a request says of the model; without one there is room. */
export function roomOf(refusal: NoEndpoint | undefined): Room {
  switch (refusal) {
    case undefined:
      return "free";
    case "saturated":
    case "closed":
      return "saturated";
    case "unknown-model":
      return "unknown";
    case "unhealthy":
    case "draining":
    case "held-back":
    case "excluded":
      return "unhealthy";
  }
}
