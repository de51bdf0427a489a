import { createEventFramer, dataOf, splitEvents } from "../../upstream/sse.ts";
import { clientCodecs, upstreamCodecs } from "./codecs.ts";
import { finishOf } from "./finish.ts";
import type { AnswerEvent, ClientFormat, Format, StreamError } from "./types.ts";

/** Translates one stream, event by event, as its bytes come. */
export interface StreamTranslator {
  /** Bytes cut anywhere; the events that can be told now, perhaps none. */
  push(bytes: Uint8Array): Uint8Array<ArrayBuffer>;
  /** What is left when the upstream's bytes end; a stream that was cut gets no end of ours. */
  end(): Uint8Array<ArrayBuffer>;
  /** What has been told so far. */
  readonly facts: StreamTranslatorFacts;
}

/** Whether a translated stream has begun and how it ended. */
export interface StreamTranslatorFacts {
  /** True once anything of the answer itself was told. */
  readonly hasContent: boolean;
  /** True once the upstream said that the answer is complete. */
  readonly isComplete: boolean;
  /** The upstream's own error, which was handed on. */
  readonly error: StreamError | undefined;
}

const encoder = new TextEncoder();

/** `eventBytesMax` bounds one event of the upstream's; a longer one throws. */
export function createStreamTranslator(
  from: Format,
  to: ClientFormat,
  eventBytesMax = eventBytesMaxDefault,
): StreamTranslator {
  const framer = createEventFramer(eventBytesMax);
  const reader = upstreamCodecs[from].createReader();
  const writer = clientCodecs[to].createWriter();
  const facts = {
    hasContent: false,
    isComplete: false,
    error: undefined as StreamError | undefined,
  };

  let hasCalls = false;

  const write = (told: AnswerEvent): string => {
    if (facts.isComplete || facts.error !== undefined) {
      // Whatever follows an end is none of the answer.
      return "";
    }
    hasCalls ||= told.kind === "open" && told.part.kind === "tool-call";
    const event =
      told.kind === "finish" ? { ...told, finish: finishOf(told.finish, hasCalls) } : told;
    facts.hasContent ||= event.kind === "open" || event.kind === "finish";
    facts.isComplete = event.kind === "end";
    facts.error = event.kind === "error" ? event.error : undefined;
    return writer.write(event);
  };
  const encode = (events: readonly AnswerEvent[]): Uint8Array<ArrayBuffer> =>
    encoder.encode(events.map(write).join(""));

  return {
    facts,
    push: (bytes) =>
      encode(
        splitEvents(framer.push(bytes)).flatMap((event) => {
          const data = dataOf(event);
          return data === undefined || data === "" ? [] : reader.read(data);
        }),
      ),
    end: () => encode(reader.end()),
  };
}

/** 4 MiB, as the proxy's own default for one event. */
const eventBytesMaxDefault = 4_194_304;
