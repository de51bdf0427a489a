import { arrayOf, objectOf, textOf } from "../translate/index.ts";
import type { RequestTraits } from "./types.ts";

/** Names the tier that a client wants, where it does not put it into `model`. */
export const tierHeader = "x-warmpath-tier";

/** Names the session that a request is a turn of. */
const sessionHeader = "x-session-id";

/** Longest text that an expression is tried on: the end of it, where the question is. */
const textCharsMax = 16_384;

/** The traits of a request over HTTP; its body is looked into only as far as rules ask. */
export function traitsOf(request: {
  readonly asked: string;
  readonly tenant: string;
  readonly promptTokens: number;
  readonly headers: { get(name: string): string | null };
  readonly body: { has(name: string): boolean; read(name: string): unknown };
}): RequestTraits {
  const { asked, promptTokens, headers, body } = request;
  const session = headers.get(sessionHeader) ?? "";
  return {
    asked,
    session: session === "" ? "" : `${request.tenant}/${session}`,
    promptTokens,
    tier: headers.get(tierHeader) ?? "",
    hasTools: () => body.has("tools") && arrayOf(body.read("tools")).length > 0,
    header: (name) => headers.get(name) ?? undefined,
    metadata: (name) => {
      const metadata = objectOf(body.read("metadata"));
      return Object.hasOwn(metadata, name) ? textOf(metadata[name]) : undefined;
    },
    text: () => lastText(body.read("messages") ?? body.read("input") ?? body.read("prompt")),
  };
}

/** What the user said last, in any format's messages, items or prompt. */
export function lastText(said: unknown): string {
  const last =
    typeof said === "string"
      ? said
      : objectOf(arrayOf(said).findLast((each) => objectOf(each)["role"] === "user"))["content"];
  const text =
    typeof last === "string"
      ? last
      : arrayOf(last)
          .map((part) => textOf(objectOf(part)["text"]) ?? "")
          .join("\n");
  return text.slice(-textCharsMax);
}
