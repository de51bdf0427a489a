/** Choose the endpoint for one request, and book it. */
export { furthestRefusal } from "./eligible.ts";
export { Placer } from "./placer.ts";
export type {
  Booking,
  BookingEnd,
  Candidate,
  CostTerms,
  Endpoint,
  ForeignTurn,
  Gate,
  NoEndpoint,
  Placed,
  Placing,
  PromptSummary,
  ReplicaLoad,
  RequestOfAnyPrompt,
  RequestSummary,
  TurnListener,
} from "./types.ts";
