import { WarmpathError } from "@warmpath/runtime/base";
import type { CallRequest } from "./types.ts";

/**
 * The request for as long as its answer streams: from the first event on nobody tries it again, and
 * a prompt of a megabyte would be held for every stream under way.
 */
export function withoutBody(request: CallRequest): CallRequest {
  const { prompt } = request;
  return {
    ...request,
    bodyFor: noBody,
    prompt: { ...prompt, found: undefined, trace: undefined },
    tokenPrompt: undefined,
  };
}

function noBody(): never {
  throw new WarmpathError("failed-internal", "the body is gone since the first event");
}
