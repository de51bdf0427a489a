/** Choose the endpoint for one request, and book it. */
export { furthestRefusal } from "./eligible.ts";
export { Placer } from "./placer.ts";
export type {
  Booking,
  BookingEnd,
  Candidate,
  CostTerms,
  Endpoint,
  Gate,
  NoEndpoint,
  Placed,
  Placing,
  PromptSummary,
  RequestOfAnyPrompt,
  RequestSummary,
} from "./types.ts";
