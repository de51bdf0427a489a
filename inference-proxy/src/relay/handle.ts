import type { Tracing } from "@warmpath/runtime";
import { type Logger, messageOf, WarmpathError } from "@warmpath/runtime/base";
import type { HttpAnswer, HttpRequest } from "@warmpath/runtime/http1";
import { authorizationOf, dialectOf, requestIdHeaders, storedFault } from "../formats/index.ts";
import type { ServingPath } from "../upstream/open.ts";
import type { Authenticator } from "./authenticate.ts";
import { modelResponse, modelsResponse } from "./list-models.ts";
import { operations } from "./read-request.ts";
import { errorResponse, faultResponse, methodNotAllowed } from "./rescue.ts";
import { newRequestId, type RelayMeans, serveCall } from "./serve-call.ts";

/** What the HTTP edge needs of the process. */
export interface HandleMeans extends RelayMeans {
  readonly authenticator: Authenticator;
  readonly tracing: Tracing;
  readonly log: Logger;
}

/**
 * Answers the parts of OpenAI's and Anthropic's APIs that are served; every other path is 404, so
 * nothing else of an engine can be reached through here.
 */
export function createHandler(
  means: HandleMeans,
): (request: HttpRequest) => Promise<HttpAnswer | Response> {
  return async (request) => {
    const requestId = newRequestId();
    const { path } = request;
    const span = means.tracing.open(`${request.method} ${path}`, {
      kind: "server",
      parent: means.tracing.contextFrom(request.headers),
    });
    let isEnded = false;
    const onEnd = (error?: unknown) => {
      if (!isEnded) {
        isEnded = true;
        span.end(error);
      }
    };
    try {
      const serving = { path, requestId, onEnd };
      return await span.run(() => answer(means, request, serving));
    } catch (thrown) {
      const error = WarmpathError.from(thrown);
      if (error.reason === "failed-internal") {
        means.log.error("request failed", {
          request_id: requestId,
          detail: messageOf(error.cause ?? error),
        });
      }
      onEnd(error);
      const dialect = dialectOf(path, request.headers);
      return errorResponse(error, { dialect, requestId });
    }
  };
}

/** How a request is known while it is served. */
interface Serving {
  readonly path: string;
  readonly requestId: string;
  readonly onEnd: (error?: unknown) => void;
}

type Answer = HttpAnswer | Response;

function answer(
  means: HandleMeans,
  request: HttpRequest,
  serving: Serving,
): Answer | Promise<Answer> {
  const { path, requestId, onEnd } = serving;
  const isCall = Object.hasOwn(operations, path);
  const isList = path === "/v1/models" || path.startsWith("/v1/models/");
  const stored = isCall ? undefined : storedFault(path);
  if (!isCall && !isList && stored === undefined) {
    throw new WarmpathError(
      "rejected-not-found",
      `Unknown request URL: ${request.method} ${path}.`,
    );
  }
  const dialect = dialectOf(path, request.headers);
  if (stored === undefined && request.method !== (isCall ? "POST" : "GET")) {
    onEnd();
    return methodNotAllowed({ dialect, requestId }, isCall ? "POST" : "GET");
  }
  const authorization = authorizationOf(request.headers);
  const caller = means.authenticator.authenticate(authorization, request.signal);
  if (isCall) {
    // The table has just said that it is one of its keys.
    const incoming = { request, path: path as ServingPath, dialect, requestId, onEnd };
    return serveCall(means, incoming, caller);
  }
  return caller instanceof Promise
    ? caller.then(() => answerOther(means, request, serving, stored))
    : answerOther(means, request, serving, stored);
}

/** What is not a call: a list, a model, or something that we do not store. */
function answerOther(
  means: HandleMeans,
  request: HttpRequest,
  { path, requestId, onEnd }: Serving,
  stored: ReturnType<typeof storedFault>,
): Answer {
  const dialect = dialectOf(path, request.headers);
  if (stored !== undefined) {
    onEnd();
    return faultResponse(404, stored, { dialect, requestId });
  }
  const headers = requestIdHeaders(dialect, requestId);
  const response =
    path === "/v1/models"
      ? modelsResponse(means.models, dialect, headers)
      : modelResponse(means.models, modelIdOf(path), dialect, headers);
  onEnd();
  return response;
}

/** The id behind `/v1/models/`, which may hold slashes, escaped or not. */
function modelIdOf(path: string): string {
  const text = path.slice("/v1/models/".length);
  try {
    return decodeURIComponent(text);
  } catch {
    // A stray percent sign: no model is called that, and saying so is the answer.
    return text;
  }
}

/**
 * True for a path of OpenAI's API: known from the text alone, so the hot path asks nobody else
 * first.
 */
export function isApiPath(request: HttpRequest): boolean {
  return request.path.startsWith("/v1/");
}
