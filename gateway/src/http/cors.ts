import { cors as connectCors } from "@connectrpc/connect";

/** Lets pages of other origins call every route: Connect, gRPC-Web and JSON alike. */
export interface Cors {
  /** The answer to a preflight; undefined when the request is none. */
  preflight(request: Request): Response | undefined;
  /** Adds to a response what its page needs to read it. */
  apply(request: Request, headers: Headers): void;
}

const allowedMethods = [...connectCors.allowedMethods, "OPTIONS"].join(", ");

const allowedHeaders = [
  ...connectCors.allowedHeaders,
  "Authorization",
  "Last-Event-ID",
  "traceparent",
  "tracestate",
].join(", ");

/** Beside Connect's own: grpc-status and its kin, when to retry, and the id of a chat's task. */
const exposedHeaders = [
  ...connectCors.exposedHeaders,
  "Retry-After",
  "WWW-Authenticate",
  "Warmpath-Task-Id",
].join(", ");

/** Two hours: the longest that Chromium keeps a preflight's answer. */
const preflightSeconds = 7200;

/** `*` among the origins admits all. No credentials mode: a key in a header is the only proof. */
export function createCors(origins: readonly string[]): Cors {
  const admitsAll = origins.includes("*");
  const admitted = (request: Request) => {
    const origin = request.headers.get("origin");
    if (origin === null) {
      return undefined;
    }
    if (admitsAll) {
      return "*";
    }
    return origins.includes(origin) ? origin : undefined;
  };
  const apply = (request: Request, headers: Headers) => {
    if (!admitsAll) {
      headers.append("vary", "Origin");
    }
    const origin = admitted(request);
    if (origin !== undefined) {
      headers.set("access-control-allow-origin", origin);
      headers.set("access-control-expose-headers", exposedHeaders);
    }
  };
  return {
    apply,
    preflight(request) {
      const isPreflight =
        request.method === "OPTIONS" && request.headers.has("access-control-request-method");
      if (!isPreflight) {
        return undefined;
      }
      const headers = new Headers();
      apply(request, headers);
      if (admitted(request) !== undefined) {
        headers.set("access-control-allow-methods", allowedMethods);
        headers.set("access-control-allow-headers", allowedHeaders);
        headers.set("access-control-max-age", String(preflightSeconds));
      }
      return new Response(null, { status: 204, headers });
    },
  };
}
