import {
  createStreamTranslator,
  type JsonObject,
  parseExactJson,
  type StreamTranslator,
  translateAnswer,
  translateRequest,
} from "../providers/translate/index.ts";
import type { ServingPath } from "../upstream/open.ts";
import type { UpstreamKind } from "../upstream/replica.ts";
import { formatOf, type WireFormat } from "../upstream/wire-format.ts";

/*
 * Bodies in another format, for upstreams that do not speak the client's. Here everything is parsed
 * and written anew; numbers keep their digits.
 */

export type { StreamTranslator };

/** From one format to another. */
export interface Translation {
  readonly from: WireFormat;
  readonly to: WireFormat;
}

/** The translation from one path's format into another's; undefined where none is needed. */
export function translationOf(fromPath: ServingPath, toPath: ServingPath): Translation | undefined {
  const from = formatOf(fromPath);
  const to = formatOf(toPath);
  return from === to ? undefined : { from, to };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A request's body; throws `rejected-invalid` naming what has no counterpart. */
export function translateRequestBody(
  body: Uint8Array,
  { from, to }: Translation,
  kind: UpstreamKind,
): Uint8Array<ArrayBuffer> {
  const target = { ignoresUnknown: kind === "vllm", cachesOnlyMarked: kind === "anthropic" };
  return encode(translateRequest(from, to, decode(body), target));
}

/** A whole answer's body; throws `failed-upstream-protocol` for what is no answer. */
export function translateAnswerBody(
  body: Uint8Array,
  { from, to }: Translation,
): Uint8Array<ArrayBuffer> {
  return encode(translateAnswer(from, to, decode(body)));
}

/** A translator for one stream. */
export function streamTranslatorOf({ from, to }: Translation): StreamTranslator {
  return createStreamTranslator(from, to);
}

function decode(body: Uint8Array): JsonObject {
  // Whoever read the request, or opened the answer, saw that it is an object.
  return parseExactJson(decoder.decode(body)) as JsonObject;
}

function encode(value: JsonObject): Uint8Array<ArrayBuffer> {
  return encoder.encode(JSON.stringify(value));
}
