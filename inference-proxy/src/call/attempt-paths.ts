import { WarmpathError } from "@warmpath/runtime/base";
import {
  isPathMissing,
  translateAnswerBody,
  translateRequestBody,
  translationOf,
  type UpstreamPaths,
} from "../formats/index.ts";
import type { TokenRatios } from "../learn/index.ts";
import type { Attempt, ServingPath } from "../upstream/open.ts";
import type { Replica } from "../upstream/pool.ts";
import { bytesOf, type RequestBody } from "../upstream/request-body.ts";
import type { CallRequest } from "./types.ts";

/** An attempt, and the path by which the upstream was asked. */
export interface AttemptAt {
  readonly path: ServingPath;
  readonly attempt: Attempt;
}

/**
 * Asks an upstream in the client's own format, and in another one if it does not have that path.
 * Bytes in the client's own format are sent and handed on as they are. Throws `rejected-invalid`
 * for a request that has no counterpart in the upstream's format.
 */
export async function attemptPaths(
  means: { readonly paths: UpstreamPaths; readonly ratios: TokenRatios },
  replica: Replica,
  request: CallRequest,
  send: (path: ServingPath, body: RequestBody) => Promise<Attempt>,
): Promise<AttemptAt> {
  const isHosted = replica.address.provider !== undefined;
  const { paths } = means;
  const choices = paths.choicesOf(replica, request.path);
  for (const path of choices) {
    const isLast = path === choices.at(-1);
    const body = bodyInWordsOf(path, replica, request, !isLast);
    if (body === undefined) {
      continue;
    }
    const attempt = await send(path, body);
    // A hosted provider's paths are known: what it does not have there is the model.
    if (!isPathMissing(attempt, request.model) || (isHosted && isLast)) {
      return { path, attempt: inClientsWords(attempt, path, request.path) };
    }
    paths.noteMissing(replica, path);
  }
  const attempt =
    request.path === "/v1/messages/count_tokens"
      ? countedByUs(means.ratios.estimate(request.model, request.bodyBytes))
      : noPath(request);
  return { path: request.path, attempt };
}

/** Undefined for a request that has no counterpart there, where another format may have one. */
function bodyInWordsOf(
  path: ServingPath,
  { facts: { kind } }: Replica,
  request: CallRequest,
  hasOthers: boolean,
): RequestBody | undefined {
  const body = request.bodyFor(kind);
  const translation = translationOf(request.path, path);
  if (translation === undefined) {
    return body;
  }
  try {
    return translateRequestBody(bytesOf(body), translation, kind);
  } catch (error) {
    if (hasOthers && WarmpathError.from(error).reason === "rejected-invalid") {
      return undefined;
    }
    throw error;
  }
}

/** A whole answer that cannot be told in the client's format is an upstream's failure. */
function inClientsWords(attempt: Attempt, path: ServingPath, asked: ServingPath): Attempt {
  const translation = translationOf(path, asked);
  if (attempt.kind !== "whole" || translation === undefined) {
    return attempt;
  }
  try {
    const bytes = translateAnswerBody(attempt.bytes, translation);
    return { kind: "whole", contentType: "application/json", bytes };
  } catch (error) {
    const { message } = WarmpathError.from(error);
    return { kind: "failed", failure: { kind: "refused", message, retryAfterMs: undefined } };
  }
}

/** Agents need a count to know when to compact; a learned one does, and says what it is. */
function countedByUs(inputTokens: number): Attempt {
  const bytes = Buffer.from(JSON.stringify({ input_tokens: inputTokens, estimated: true }));
  return { kind: "whole", contentType: "application/json", bytes };
}

function noPath(request: CallRequest): Attempt {
  const message = `The upstream that serves \`${request.model}\` has no ${request.path}.`;
  return {
    kind: "fault",
    status: 404,
    error: { message, type: undefined, param: undefined, code: "unknown_url", status: undefined },
  };
}
