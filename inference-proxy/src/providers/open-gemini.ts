import { WarmpathError } from "@warmpath/runtime/base";
import type { Attempt, AttemptMeans, AttemptRequest, OpenStream } from "../upstream/attempt.ts";
import { type AttemptFailure, failureOfStatus } from "../upstream/failure.ts";
import { openAttempt } from "../upstream/open.ts";
import type { ReplicaAddress } from "../upstream/replica.ts";
import { bytesOf } from "../upstream/request-body.ts";
import { formatOf } from "../upstream/wire-format.ts";
import {
  type ClientFormat,
  createStreamTranslator,
  type JsonObject,
  parseExactJson,
  type StreamTranslator,
  textOf,
  translateAnswer,
  translateRequest,
} from "./translate/index.ts";

/*
 * Gemini as if it spoke the client's API: its own has other paths, names the model there, and marks
 * the end of a stream by the end of its bytes. Whoever asks hears the format that he asked in.
 */

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Like `openAttempt`, for a path by which answers are generated from conversations. */
export async function openGemini(
  means: AttemptMeans,
  address: ReplicaAddress,
  request: AttemptRequest,
): Promise<Attempt> {
  // Whoever read the request saw that it is an object.
  const asked = parseExactJson(decoder.decode(bytesOf(request.body))) as JsonObject;
  const model = textOf(asked["model"]) ?? "";
  const format = formatOf(request.path);
  const body = translateRequest(format, "gemini", asked, { ignoresUnknown: false });
  const method = request.isStream ? "streamGenerateContent?alt=sse" : "generateContent";
  const attempt = await openAttempt(means, address, {
    ...request,
    body: encoder.encode(JSON.stringify(body)),
    wirePath: `/v1beta/models/${encodeURIComponent(model)}:${method}`,
  });
  switch (attempt.kind) {
    case "stream":
      return await openTranslated(attempt.stream, format, means.limits.eventBytesMax);
    case "whole":
      return toWhole(attempt.bytes, format);
    default:
      return attempt;
  }
}

function toWhole(bytes: Uint8Array, format: ClientFormat): Attempt {
  try {
    const answer = parseExactJson(decoder.decode(bytes)) as JsonObject;
    const told = encoder.encode(JSON.stringify(translateAnswer("gemini", format, answer)));
    return { kind: "whole", contentType: "application/json", bytes: told };
  } catch (error) {
    return failed(error);
  }
}

/** Holds the answer until there is content of it to tell: until then it can be asked elsewhere. */
async function openTranslated(
  stream: OpenStream,
  format: ClientFormat,
  eventBytesMax: number,
): Promise<Attempt> {
  const translator = createStreamTranslator("gemini", format, eventBytesMax);
  const { facts } = translator;
  try {
    const told: Uint8Array[] = [translator.push(stream.first)];
    while (!facts.hasContent && facts.error === undefined) {
      const block = await stream.next();
      if (block === undefined) {
        stream.cancel();
        return failedWith("died", "its stream ended before the first event");
      }
      told.push(translator.push(block));
    }
    const { error } = facts;
    if (error !== undefined) {
      stream.cancel();
      const failure = failureOfStatus(Number(error.code ?? 500), error.message, null);
      return failure === undefined
        ? failedWith("refused", error.message)
        : { kind: "failed", failure };
    }
    const translated = translatedStream(stream, translator, Buffer.concat(told));
    return { kind: "stream", contentType: "text/event-stream; charset=utf-8", stream: translated };
  } catch (error) {
    stream.cancel();
    return failed(error);
  }
}

function translatedStream(
  stream: OpenStream,
  translator: StreamTranslator,
  first: Uint8Array,
): OpenStream {
  let isOver = false;
  return {
    first,
    next: async () => {
      if (isOver) {
        return undefined;
      }
      const block = await stream.next();
      if (block !== undefined) {
        return translator.push(block);
      }
      isOver = true;
      const last = translator.end();
      return last.length === 0 ? undefined : last;
    },
    cancel: () => stream.cancel(),
  };
}

function failed(error: unknown): Attempt {
  return failedWith("refused", WarmpathError.from(error).message);
}

function failedWith(kind: AttemptFailure["kind"], message: string): Attempt {
  return { kind: "failed", failure: { kind, message, retryAfterMs: undefined } };
}
