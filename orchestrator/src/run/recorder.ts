import { create } from "@bufbuild/protobuf";
import { type Message, UsageSchema } from "@warmpath/proto/common";
import { type Event, EventSchema } from "@warmpath/proto/log";
import { WarmpathError } from "@warmpath/runtime/base";
import type { Lease, NewMessage, TaskLog, Transition } from "@warmpath/state/log";
import type { CrashPoint, TransitionName } from "./crash-point.ts";
import { applyEvent, type FoldedEvent, foldEvents } from "./fold.ts";
import type { RunState } from "./run-state.ts";

/** The kind of an event, as the contract's oneof spells it. */
export type EventKind = Exclude<Event["kind"], { case: undefined }>;

/** A transition without what follows from the state: totals are added by the recorder. */
export type NewTransition = Omit<Transition, "events" | "usage" | "steps"> & {
  readonly events: readonly Event[];
};

/**
 * The one writer of a run. Keeps the state that its appends lead to, and writes one transition at a
 * time although tools finish side by side.
 */
export class Recorder {
  #lease: Lease;
  #state: RunState;
  #tail: Promise<unknown> = Promise.resolve();
  readonly #taskLog: TaskLog;
  readonly #crashPoint: CrashPoint;
  readonly #messages = new Map<string, Message>();

  constructor(options: {
    lease: Lease;
    events: readonly FoldedEvent[];
    taskLog: TaskLog;
    crashPoint: CrashPoint;
  }) {
    this.#lease = options.lease;
    this.#state = foldEvents(options.events);
    this.#taskLog = options.taskLog;
    this.#crashPoint = options.crashPoint;
  }

  get state(): RunState {
    return this.#state;
  }

  get lease(): Lease {
    return this.#lease;
  }

  /** Takes over the expiry of a renewed lease. */
  renewed(lease: Lease): void {
    this.#lease = lease;
  }

  /**
   * Appends, and only then moves the state on. Throws what the log throws; nothing of a refused one
   * is kept.
   */
  record(name: TransitionName, transition: NewTransition): Promise<void> {
    const turn = this.#tail.then(() => this.#append(name, transition));
    // The next writer goes on after a refusal; the log refuses it too where that matters.
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  async #append(name: TransitionName, transition: NewTransition): Promise<void> {
    await this.#crashPoint(`before-${name}`);
    const before = this.#state;
    const after = transition.events.reduce(
      (state, event) =>
        applyEvent(state, { seq: state.lastSeq + 1n, epoch: this.#lease.epoch, event }),
      before,
    );
    await this.#taskLog.append(this.#lease, before.lastSeq, {
      ...transition,
      usage: create(UsageSchema, after.usage),
      steps: after.steps,
    });
    for (const { hash, message } of transition.messages ?? []) this.keep(hash, message);
    this.#state = after;
    await this.#crashPoint(`after-${name}`);
  }

  /** Remembers a stored message, so that the prompt need not be read again at every step. */
  keep(hash: Uint8Array, message: Message): void {
    this.#messages.set(Buffer.from(hash).toString("hex"), message);
  }

  /**
   * The messages with these hashes, in order; reads from the log those that were stored by an
   * earlier worker.
   */
  async load(hashes: readonly Uint8Array[]): Promise<Message[]> {
    const missing = hashes.filter((hash) => !this.#messages.has(hexOf(hash)));
    if (missing.length > 0) {
      const loaded = await this.#taskLog.messages(this.#lease.tenant, missing);
      for (const [hex, message] of loaded) this.#messages.set(hex, message);
    }
    return hashes.map((hash) => {
      const message = this.#messages.get(hexOf(hash));
      if (!message) {
        throw new WarmpathError("failed-data-loss", `message ${hexOf(hash)} is not stored`);
      }
      return message;
    });
  }
}

/** Wraps one kind into an event. */
export function eventOf(kind: EventKind): Event {
  return create(EventSchema, { kind });
}

function hexOf(hash: NewMessage["hash"]): string {
  return Buffer.from(hash).toString("hex");
}
