import type { AnswerStream } from "../call/answer-stream.ts";
import type { OpenCall } from "../call/end-call.ts";
import type { ServingPath } from "../upstream/open.ts";
import { createTap, formatOf } from "../upstream/wire-format.ts";
import { assembleWhole } from "./assemble-whole.ts";
import type { StoredAnswer } from "./types.ts";
import { writeStream } from "./write-stream.ts";

/** A stored answer in the form that a request wants. */
export interface Replay {
  readonly contentType: string;
  readonly answer: OpenCall["answer"];
}

/**
 * The stored answer as a stream or whole, whichever is asked for and however it was stored;
 * undefined when it cannot be turned into the other. Chats and completions can; messages and
 * responses are replayed in the form in which they came.
 */
export function replay(
  stored: StoredAnswer,
  wanted: { readonly isStream: boolean; readonly dropsUsage: boolean },
): Replay | undefined {
  if (stored.isStream !== wanted.isStream && formatOf(stored.path) !== "chat") {
    return undefined;
  }
  if (!wanted.isStream) {
    const bytes = stored.isStream ? assembleWhole(stored.bytes) : stored.bytes;
    const contentType = stored.isStream ? "application/json" : stored.contentType;
    return bytes && { contentType, answer: { kind: "whole", bytes } };
  }
  const bytes = stored.isStream ? stored.bytes : writeStream(stored.bytes);
  const contentType = stored.isStream ? stored.contentType : "text/event-stream; charset=utf-8";
  return (
    bytes && {
      contentType,
      answer: { kind: "stream", events: eventsOf(stored.path, bytes, wanted) },
    }
  );
}

/** All events at once: there is nothing to wait for. */
function eventsOf(
  path: ServingPath,
  bytes: Uint8Array,
  options: { readonly dropsUsage: boolean },
): AnswerStream {
  const tap = createTap(formatOf(path), options);
  let rest: Uint8Array | undefined = bytes;
  return {
    facts: tap.facts,
    // Nothing of ours follows what is complete.
    sequenceNumber: 0,
    next: async () => {
      const block = rest;
      rest = undefined;
      return block && tap.inspect(block);
    },
    cancel: () => {
      rest = undefined;
    },
  };
}
