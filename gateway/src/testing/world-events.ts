import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { TaskEventSchema } from "@warmpath/proto/common";
import { type ReadEvent, ReadEventSchema } from "@warmpath/proto/state";

type Kind = NonNullable<MessageInitShape<typeof TaskEventSchema>["kind"]>;

/** Any event, as ReadEvents returns it. */
export function readEvent(seq: number, kind: Kind, attempt = 0): ReadEvent {
  const event = create(TaskEventSchema, { seq: BigInt(seq), kind });
  return create(ReadEventSchema, { event, attempt: BigInt(attempt) });
}

/** The first event of every log. */
export function submitted(seq: number, text = "What is 6 * 7?"): ReadEvent {
  return readEvent(seq, { case: "submitted", value: { agent: "assistant", text } });
}

/** The model's answer to a step; a simulated replica's, with a plausible usage. */
export function answered(seq: number, step: number, attempt: number, text: string): ReadEvent {
  const usage = {
    inputTokens: 100n,
    cachedInputTokens: 64n,
    outputTokens: 20n,
    costNanodollars: 1_500n,
    modelCalls: 1n,
  };
  const value = { step, text, usage, model: "sim-8b", replica: "replica-1", simulated: true };
  return readEvent(seq, { case: "modelAnswered", value }, attempt);
}

/** The event that ends a log. */
export function ended(seq: number, how: "completed" | "failed" | "cancelled", answer = "42") {
  switch (how) {
    case "completed":
      return readEvent(seq, { case: how, value: { answer } });
    case "failed":
      return readEvent(seq, {
        case: how,
        value: { failure: { reason: "failed-step-limit", message: "too many steps" } },
      });
    case "cancelled":
      return readEvent(seq, { case: how, value: {} });
  }
}
