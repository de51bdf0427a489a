import { create } from "@bufbuild/protobuf";
import { type TextDelta, TextDeltaSchema } from "@warmpath/proto/common";
import type { ReadEvent } from "@warmpath/proto/state";
import type { Random } from "@warmpath/runtime/base";
import { answered, ended, readEvent, submitted } from "./world-events.ts";

/**
 * A task's life as its watchers can learn of it: a log that grows, a lossy bus, a hot buffer that
 * may be lost.
 */
export interface World {
  /** Does the next thing: publishes a piece of text, abandons an attempt, or records an event. */
  advance(): void;
  /** Does everything that is left. */
  finish(): void;
  /**
   * A bus message that was published at some time, most likely a recent one; it may come twice or
   * never.
   */
  someMessage(): TextDelta | undefined;
  /** What ReadEvents answers now. */
  read(
    afterSeq: bigint,
    limit: number,
  ): { events: ReadEvent[]; hasMore: boolean; live?: TextDelta };
  /** The log so far. */
  readonly events: readonly ReadEvent[];
  readonly isFinished: boolean;
  /** Called after each advance with what was just published or recorded. */
  onChange: (change: { delta: TextDelta } | { recordedSeq: bigint }) => void;
}

// Pieces of one to four UTF-8 bytes a character, so that offsets and characters disagree.
const pieces = ["a", "Hello, ", "é", "é", "日本", "\u{1f600}", " of the ", "\n", "\u{10348}z"];

/** Writes a whole life from the seed, and then lives it one `advance` at a time. */
export function createWorld(random: Random): World {
  const below = (count: number) => Math.floor(random.next() * count);
  const published: TextDelta[] = [];
  const events: ReadEvent[] = [];
  let hot: TextDelta | undefined;
  const script = writeScript(below);
  const world: World = {
    events,
    get isFinished() {
      return script.length === 0;
    },
    onChange: () => undefined,
    advance() {
      const deed = script.shift();
      if (deed === undefined) {
        return;
      }
      if ("delta" in deed) {
        published.push(deed.delta);
        hot = appended(hot, deed.delta);
        world.onChange({ delta: deed.delta });
        return;
      }
      const event = deed.record(events.length + 1);
      events.push(event);
      hot = event.event?.kind.case === "modelAnswered" ? undefined : hot;
      world.onChange({ recordedSeq: BigInt(events.length) });
    },
    finish() {
      while (script.length > 0) {
        world.advance();
      }
    },
    someMessage() {
      const back = random.next() < 0.8 ? below(4) : below(published.length + 1);
      return published[published.length - 1 - back];
    },
    read(afterSeq, limit) {
      const rest = events.slice(Number(afterSeq));
      const hasMore = rest.length > limit;
      const isKnown = !hasMore && hot !== undefined && random.next() < 0.7;
      return { events: rest.slice(0, limit), hasMore, ...(isKnown && hot && { live: hot }) };
    },
  };
  return world;
}

type Deed = { delta: TextDelta } | { record: (seq: number) => ReadEvent };

function writeScript(below: (count: number) => number): Deed[] {
  const script: Deed[] = [{ record: (seq) => submitted(seq) }];
  let attempt = 0;
  const steps = 1 + below(4);
  const how = (["completed", "failed", "cancelled"] as const)[below(3)] ?? "completed";
  for (let step = 1; step <= steps; step += 1) {
    const attempts = 1 + below(3);
    for (let nth = 1; nth <= attempts; nth += 1) {
      attempt += 1 + below(2);
      const { text, deltas } = writeAttempt(below, step, attempt);
      script.push(...deltas);
      const isLeftUnanswered = step === steps && how !== "completed";
      if (nth === attempts && !isLeftUnanswered) {
        const number = attempt;
        script.push({ record: (seq) => answered(seq, step, number, text) });
      }
    }
    for (let count = below(3); count > 0; count -= 1) {
      const value = { step, callId: `call_${count}`, name: "calculator" };
      script.push({ record: (seq) => readEvent(seq, { case: "toolStarted", value }) });
    }
  }
  script.push({ record: (seq) => ended(seq, how) });
  return script;
}

function writeAttempt(below: (count: number) => number, step: number, attempt: number) {
  const deltas: Deed[] = [];
  let text = "";
  for (let count = below(6); count > 0; count -= 1) {
    const piece = pieces[below(pieces.length)] ?? "";
    const offsetBytes = BigInt(Buffer.byteLength(text));
    const place = { step, attempt: BigInt(attempt), offsetBytes };
    deltas.push({ delta: create(TextDeltaSchema, { ...place, text: piece }) });
    text += piece;
  }
  return { text, deltas };
}

function appended(hot: TextDelta | undefined, delta: TextDelta): TextDelta {
  const isSame = hot !== undefined && hot.step === delta.step && hot.attempt === delta.attempt;
  return isSame ? { ...hot, text: hot.text + delta.text } : delta;
}
