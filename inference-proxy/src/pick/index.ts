/** Choose the endpoint for one request, and book it. */
export { type Booked, type Booking, type Bookings, createBookings } from "./bookings.ts";
export { explainPick } from "./explain.ts";
export { pickEndpoint } from "./pick-endpoint.ts";
export type {
  Candidate,
  Endpoint,
  Gate,
  Loads,
  NoEndpoint,
  PickResult,
  RequestSummary,
} from "./types.ts";
