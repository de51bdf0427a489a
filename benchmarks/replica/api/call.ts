import type { HttpReply, HttpRequest, WholeReply } from "../http/types.ts";
import { ApiError } from "./errors.ts";
import { vllmHeaders } from "./headers.ts";
import type { ReplicaContext } from "./replica-context.ts";

/** One request on its way through the API. */
export interface Call {
  readonly http: HttpRequest;
  readonly context: ReplicaContext;
  /** Headers of the answer, whatever it is. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Answers one method of one path. May throw an `ApiError`. */
export type Handler = (call: Call) => HttpReply | Promise<HttpReply>;

/** Starts a call. The request id is echoed unchecked, as vLLM does. */
export function callOf(http: HttpRequest, context: ReplicaContext): Call {
  const echoed = http.headers.get("x-request-id") ?? context.newHexId() + context.newHexId();
  const headers = vllmHeaders(context.config.requestIdHeaders ? echoed : undefined);
  return { http, context, headers };
}

/** An answer in JSON. */
export function json(call: Call, body: unknown, status = 200): WholeReply {
  return {
    status,
    headers: { ...call.headers, "content-type": "application/json" },
    body: JSON.stringify(body),
  };
}

/** An answer without a body. */
export function empty(call: Call): WholeReply {
  return { status: 200, headers: call.headers, body: "" };
}

/** Turns whatever was thrown into an answer: the only place of the replica that does. */
export function rescue(thrown: unknown, call: Call): WholeReply {
  const error = ApiError.from(thrown);
  return json(call, error.body(), error.status);
}
