/** HTTP/1.1 without TLS on raw sockets. */
export type { BodyFlow, BodySink, HttpAnswer } from "./answer.ts";
export { type BodyBudget, createBodyBudget } from "./body-budget.ts";
export {
  createHttp1Client,
  type Http1Client,
  type Http1Limits,
  type SendOptions,
} from "./client.ts";
export { afterDeparture } from "./outbox.ts";
export { type HttpRequest, PlatformRequest } from "./request.ts";
export { type ListenHttp1Options, listenHttp1 } from "./server.ts";
export { SplicedBytes } from "./spliced-bytes.ts";
export {
  type FieldsView,
  Http1Error,
  type Http1Exchange,
  type Http1FailureKind,
  type Http1Head,
  type Http1Request,
  type Http1Sink,
  type Origin,
} from "./types.ts";
