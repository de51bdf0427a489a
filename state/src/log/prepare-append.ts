import { toBinary } from "@bufbuild/protobuf";
import { FailureSchema, MessageSchema, UsageSchema } from "@warmpath/proto/common";
import { WarmpathError } from "@warmpath/runtime/base";
import { utf8 } from "./bytes.ts";
import { type EncodedEvent, encodeEvent } from "./event-codec.ts";
import type { Lease, NewChild, NewMessage, Transition } from "./types.ts";

/** A message as it is stored. */
export interface EncodedMessage {
  readonly hash: Uint8Array;
  readonly payload: Uint8Array;
}

/** A transition encoded outside the transaction, so that its faults fail its caller alone. */
export interface PreparedAppend {
  readonly lease: Lease;
  readonly expectedSeq: bigint;
  readonly lastSeq: bigint;
  readonly events: readonly EncodedEvent[];
  readonly messages: readonly EncodedMessage[];
  readonly children: readonly NewChild[];
  readonly inputsTaken: readonly bigint[];
  readonly usage: Uint8Array | null;
  readonly steps: number;
  readonly state: Transition["state"];
  readonly answer: Uint8Array | null;
  readonly failure: Uint8Array | null;
  readonly conversation: readonly Uint8Array[];
  readonly bytes: number;
}

/** Encodes and checks a transition. Throws `rejected-invalid` or `rejected-too-large`. */
export function prepareAppend(
  lease: Lease,
  expectedSeq: bigint,
  transition: Transition,
  bytesMax: number,
): PreparedAppend {
  if (transition.events.length === 0) {
    throw new WarmpathError("rejected-invalid", "a transition holds at least one event");
  }
  const events = transition.events.map(encodeEvent);
  const messages = [
    ...(transition.messages ?? []),
    ...(transition.children ?? []).map((child) => child.message),
  ].map(encodeMessage);
  const answer = transition.answer === undefined ? null : utf8(transition.answer);
  const bytes =
    sum(events.map((event) => event.payload.length)) +
    sum(messages.map((message) => message.payload.length)) +
    (answer?.length ?? 0);
  if (bytes > bytesMax) {
    throw new WarmpathError(
      "rejected-too-large",
      `a transition of ${bytes} bytes is larger than the log takes (${bytesMax})`,
    );
  }
  const { usage, failure } = transition;
  return {
    lease,
    expectedSeq,
    lastSeq: expectedSeq + BigInt(events.length),
    events,
    messages,
    children: transition.children ?? [],
    inputsTaken: transition.inputsTaken ?? [],
    usage: usage === undefined ? null : toBinary(UsageSchema, usage),
    steps: Math.max(transition.steps ?? 0, ...transition.events.map(stepOf)),
    state: transition.state,
    answer,
    failure: failure === undefined ? null : toBinary(FailureSchema, failure),
    conversation: transition.conversation ?? [],
    bytes,
  };
}

/** A message's stored form. */
export function encodeMessage(message: NewMessage): EncodedMessage {
  if (message.hash.length !== 32) {
    throw new WarmpathError("rejected-invalid", "a message's hash is not a SHA-256");
  }
  return { hash: message.hash, payload: toBinary(MessageSchema, message.message) };
}

/** Steps count answered ones, so that a late live text of a recorded step is recognised as late. */
function stepOf(event: Transition["events"][number]): number {
  return event.kind.case === "modelAnswered" ? event.kind.value.step : 0;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
