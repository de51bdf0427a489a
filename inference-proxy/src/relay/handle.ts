import type { Tracing } from "@warmpath/runtime";
import { type Logger, messageOf, WarmpathError } from "@warmpath/runtime/base";
import type { ServingPath } from "../upstream/open.ts";
import type { Authenticator } from "./authenticate.ts";
import { modelResponse, modelsResponse } from "./list-models.ts";
import { operations } from "./read-request.ts";
import { errorResponse } from "./rescue.ts";
import { newRequestId, type RelayMeans, requestIdHeader, serveCall } from "./serve-call.ts";

/** What the HTTP edge needs of the process. */
export interface HandleMeans extends RelayMeans {
  readonly authenticator: Authenticator;
  readonly tracing: Tracing;
  readonly log: Logger;
}

/**
 * Answers OpenAI's API; every other path is 404, so nothing else of an engine can be reached
 * through here.
 */
export function createHandler(means: HandleMeans): (request: Request) => Promise<Response> {
  return async (request) => {
    const requestId = newRequestId();
    const span = means.tracing.open(`${request.method} ${pathOf(request)}`, {
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
      return await span.run(() => answer(means, request, { requestId, onEnd }));
    } catch (thrown) {
      const error = WarmpathError.from(thrown);
      if (error.reason === "failed-internal") {
        means.log.error("request failed", {
          request_id: requestId,
          detail: messageOf(error.cause ?? error),
        });
      }
      onEnd(error);
      return errorResponse(error, { [requestIdHeader]: requestId });
    }
  };
}

async function answer(
  means: HandleMeans,
  request: Request,
  options: { readonly requestId: string; readonly onEnd: (error?: unknown) => void },
): Promise<Response> {
  const path = pathOf(request);
  const { requestId, onEnd } = options;
  const isCall = Object.hasOwn(operations, path);
  const isList = path === "/v1/models" || path.startsWith("/v1/models/");
  if (!isCall && !isList) {
    throw new WarmpathError(
      "rejected-not-found",
      `Unknown request URL: ${request.method} ${path}.`,
    );
  }
  if (request.method !== (isCall ? "POST" : "GET")) {
    return methodNotAllowed(requestId, isCall ? "POST" : "GET", onEnd);
  }
  const authorization = request.headers.get("authorization");
  const caller = await means.authenticator.authenticate(authorization, request.signal);
  if (isCall) {
    // The table has just said that it is one of its keys.
    const servingPath = path as ServingPath;
    return await serveCall(means, { request, path: servingPath, caller, requestId, onEnd });
  }
  const headers = { [requestIdHeader]: requestId };
  const response =
    path === "/v1/models"
      ? modelsResponse(means.models, headers)
      : modelResponse(means.models, modelIdOf(path), headers);
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

function methodNotAllowed(requestId: string, allow: string, onEnd: () => void): Response {
  onEnd();
  return Response.json(
    {
      error: {
        message: `Only ${allow} is allowed here.`,
        type: "invalid_request_error",
        param: null,
        code: "method_not_supported",
      },
    },
    { status: 405, headers: { allow, [requestIdHeader]: requestId } },
  );
}

/**
 * True for a path of OpenAI's API: known from the text alone, so the hot path asks nobody else
 * first.
 */
export function isApiPath(request: Request): boolean {
  return pathOf(request).startsWith("/v1/");
}

/**
 * The path of an absolute URL without its query; scanning is three times cheaper than parsing it.
 */
function pathOf(request: Request): string {
  const { url } = request;
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const query = url.indexOf("?", start);
  return url.slice(start, query < 0 ? undefined : query);
}
