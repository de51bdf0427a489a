import { clientCodecs, upstreamCodecs } from "./codecs.ts";
import { finishOf } from "./finish.ts";
import type { ClientFormat, Format, JsonObject, WriteTarget } from "./types.ts";

/**
 * The request in the target's words. Throws `rejected-invalid` naming the field where it asks for
 * something that the target cannot do; what is only a hint may be left out. Values come out as they
 * went in, numbers beyond 2^53 included if the body was parsed with `parseExactJson`.
 */
export function translateRequest(
  from: ClientFormat,
  to: Format,
  body: JsonObject,
  target: WriteTarget = { ignoresUnknown: true },
): JsonObject {
  return upstreamCodecs[to].writeRequest(clientCodecs[from].readRequest(body), target);
}

/**
 * A whole answer in the words of the client. Throws `failed-upstream-protocol` for what is no
 * answer of its format.
 */
export function translateAnswer(from: Format, to: ClientFormat, body: JsonObject): JsonObject {
  const answer = upstreamCodecs[from].readAnswer(body);
  const hasCalls = answer.parts.some(({ kind }) => kind === "tool-call");
  return clientCodecs[to].writeAnswer({ ...answer, finish: finishOf(answer.finish, hasCalls) });
}
