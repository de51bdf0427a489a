import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { ModelAnswered, TextDelta } from "@warmpath/proto/common";
import {
  WatchTaskResponseSchema as ResponseSchema,
  type WatchTaskResponse,
} from "@warmpath/proto/gateway";
import type { ReadEvent } from "@warmpath/proto/state";
import { WarmpathError } from "@warmpath/runtime/base";
import { formatCursor } from "./cursor.ts";
import type { Position } from "./position.ts";
import { isTerminal } from "./terminal.ts";

/**
 * What a live delta did: taken in (or old news), or unusable until the log or a snapshot was read.
 */
export type DeltaOutcome = "taken" | "ahead";

/**
 * Turns a task's recorded events and its lossy live text into what one watcher is told. Pure: no
 * bus, no clock.
 *
 * Invariant: *for every step, the deltas told, less those retracted, add up to the text of its
 * ModelAnswered event at the moment that event is told*, whatever is lost, doubled, late or out of
 * order on the bus, and across any number of reconnects from a cursor. Four rules keep it:
 *
 * 1. Live text is told only for `position.step`, the step after the last answered one.
 * 2. Within an attempt, text is told only where the last piece ended; what overlaps is cut, what is
 *    ahead waits.
 * 3. Text of a higher attempt is told only after a Retraction of what was shown of a lower one.
 * 4. Before a ModelAnswered event, the part of its text that was not shown is told as a delta; if
 *    what was shown is of another attempt, a Retraction comes first. A task that ends without
 *    answering a step it has shown text of retracts that text.
 */
export class Assembler {
  readonly #taskId: string;
  #position: Position;
  #out: WatchTaskResponse[] = [];

  constructor(taskId: string, position: Position) {
    this.#taskId = taskId;
    this.#position = position;
  }

  /** How far the watcher will be once it has what {@link take} returns. */
  get position(): Position {
    return this.#position;
  }

  /** What to tell now, in order; each response carries the cursor that continues after it. */
  take(): WatchTaskResponse[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  /**
   * Takes in the next event of the log. One already told is harmless; a gap is a fault of the log.
   */
  onEvent(read: ReadEvent): void {
    const event = read.event;
    if (event === undefined || event.seq <= this.#position.seq) {
      return;
    }
    if (event.seq !== this.#position.seq + 1n) {
      const sentence = `event ${event.seq} follows event ${this.#position.seq}: the log has a gap`;
      throw new WarmpathError("failed-data-loss", sentence);
    }
    let next: Position = { ...this.#position, seq: event.seq };
    if (event.kind.case === "modelAnswered") {
      this.#completeText(event.kind.value, read.attempt);
      next = { ...next, step: event.kind.value.step + 1, attempt: 0n, offsetBytes: 0 };
    } else if (isTerminal(event.kind.case)) {
      this.#retractShown(this.#position.step, 0n);
      next = { ...next, attempt: 0n, offsetBytes: 0, isEnded: true };
    }
    this.#tell({ case: "event", value: event }, next);
  }

  /**
   * Takes in a piece of live text from the bus, or the snapshot of it that came with a page of
   * events.
   */
  onDelta(delta: TextDelta): DeltaOutcome {
    const { step, isEnded } = this.#position;
    if (isEnded || delta.step < step) {
      return "taken";
    }
    if (delta.step > step) {
      return "ahead";
    }
    if (delta.attempt < this.#position.attempt) {
      return "taken";
    }
    if (delta.attempt > this.#position.attempt) {
      this.#retractShown(step, delta.attempt);
      this.#position = { ...this.#position, attempt: delta.attempt, offsetBytes: 0 };
    }
    const shownBytes = this.#position.offsetBytes - Number(delta.offsetBytes);
    if (shownBytes < 0) {
      return "ahead";
    }
    const rest = bytesAfter(delta.text, shownBytes);
    if (rest !== undefined && rest !== "") {
      this.#tellText(step, rest);
    }
    return "taken";
  }

  /** Rule 4: makes the told text of a step whole before its event. */
  #completeText(answered: ModelAnswered, attempt: bigint): void {
    if (answered.step !== this.#position.step) {
      this.#retractShown(this.#position.step, 0n);
      this.#position = { ...this.#position, step: answered.step, attempt: 0n, offsetBytes: 0 };
    }
    const isSameAttempt = this.#position.attempt === attempt;
    let rest = isSameAttempt ? bytesAfter(answered.text, this.#position.offsetBytes) : undefined;
    if (rest === undefined) {
      this.#retractShown(answered.step, attempt);
      rest = answered.text;
    }
    this.#position = { ...this.#position, attempt };
    if (rest !== "") {
      this.#tellText(answered.step, rest);
    }
  }

  #retractShown(step: number, attempt: bigint): void {
    if (this.#position.offsetBytes > 0) {
      const next = { ...this.#position, attempt, offsetBytes: 0 };
      this.#tell({ case: "retraction", value: { step } }, next);
    }
  }

  #tellText(step: number, text: string): void {
    const offsetBytes = this.#position.offsetBytes + Buffer.byteLength(text);
    this.#tell({ case: "delta", value: { step, text } }, { ...this.#position, offsetBytes });
  }

  #tell(update: MessageInitShape<typeof ResponseSchema>["update"], next: Position): void {
    this.#position = next;
    const cursor = formatCursor(this.#taskId, next);
    // `update` is one arm of the oneof, which the spread hides from exactOptionalPropertyTypes.
    this.#out.push(create(ResponseSchema, { cursor, ...(update && { update }) }));
  }
}

/**
 * The text after its first `skipBytes` UTF-8 bytes. Undefined when the cut would fall inside a
 * character or past the end: a live piece shown before, or an answer that is not the text that was
 * shown.
 */
function bytesAfter(text: string, skipBytes: number): string | undefined {
  if (skipBytes === 0) {
    return text;
  }
  const bytes = Buffer.from(text);
  if (skipBytes > bytes.length) {
    return undefined;
  }
  const next = bytes[skipBytes];
  // A continuation byte looks like 10xxxxxx.
  return next !== undefined && (next & 0xc0) === 0x80
    ? undefined
    : bytes.toString("utf8", skipBytes);
}
