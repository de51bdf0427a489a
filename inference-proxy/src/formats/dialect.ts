import type { FieldsView } from "@warmpath/runtime/http1";

/** Whose API a client speaks: it decides the shape of errors and lists, and which id header. */
export type Dialect = "openai" | "anthropic";

/** The header by which every client of Anthropic's API names the version it speaks. */
const anthropicVersionHeader = "anthropic-version";

/** The dialect of a request: Anthropic's paths are its own, lists of models are asked by both. */
export function dialectOf(path: string, headers: FieldsView): Dialect {
  const isAnthropic =
    path === "/v1/messages" ||
    path.startsWith("/v1/messages/") ||
    (path.startsWith("/v1/models") && headers.has(anthropicVersionHeader));
  return isAnthropic ? "anthropic" : "openai";
}

/**
 * The credential of a request, as `authorization` has it: Anthropic's clients send the key in a
 * header of its own.
 */
export function authorizationOf(headers: FieldsView): string | null {
  const authorization = headers.get("authorization");
  if (authorization !== null) {
    return authorization;
  }
  const key = headers.get("x-api-key");
  return key === null ? null : `Bearer ${key}`;
}

/** The response headers by which the clients of each API find our id of the request. */
export function requestIdHeaders(dialect: Dialect, requestId: string): Record<string, string> {
  return dialect === "anthropic"
    ? { "x-request-id": requestId, "request-id": requestId }
    : { "x-request-id": requestId };
}

/** Headers by which clients choose a version or a feature of the API that they speak. */
const apiHeaderNames = [anthropicVersionHeader, "anthropic-beta", "openai-beta"] as const;

/** Those of a request; undefined when there are none, as with OpenAI's clients. */
export function apiHeadersOf(
  headers: Pick<FieldsView, "get">,
): Readonly<Record<string, string>> | undefined {
  let found: Record<string, string> | undefined;
  for (const name of apiHeaderNames) {
    const value = headers.get(name);
    if (value !== null) {
      found ??= {};
      found[name] = value;
    }
  }
  return found;
}
