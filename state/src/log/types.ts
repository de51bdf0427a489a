/** The task log's contract: what a worker may read and write, and under which promises. */
import type { Failure, Message, TextDelta, Usage } from "@warmpath/proto/common";
import type { Event } from "@warmpath/proto/log";

/** Names one task. The tenant is part of the name: no look-up works without it. */
export interface TaskRef {
  readonly tenant: string;
  readonly taskId: string;
}

/** Priority class; the queue keeps one lane for each. */
export type LaneName = "interactive" | "standard" | "batch";

/** All lanes, the most urgent first. */
export const laneNames: readonly LaneName[] = ["interactive", "standard", "batch"];

/** Where a task is in its life, as the database spells it. */
export type StateName = "QUEUED" | "RUNNING" | "WAITING" | EndedStateName;

/** The states that nothing follows. */
export type EndedStateName = "COMPLETED" | "FAILED" | "CANCELLED";

/**
 * The right to write a task's log until it expires. A later claim has a higher epoch, and from then
 * on every write under this one is refused.
 */
export interface Lease extends TaskRef {
  readonly epoch: bigint;
  readonly workerId: string;
  /**
   * When the holder must stop by its own monotonic clock: counted from before the claim was sent,
   * so it always comes earlier than the database's expiry.
   */
  readonly expiresMonotonicMs: number;
}

/**
 * A message to store, with the SHA-256 of its `wire.data` (`messageHash` of `@warmpath/runtime`).
 */
export interface NewMessage {
  readonly hash: Uint8Array;
  readonly message: Message;
}

/** A child task to create QUEUED, with its own Submitted event, in the parent's transaction. */
export interface NewChild {
  readonly taskId: string;
  readonly agent: string;
  readonly message: NewMessage;
  /** The parent's tool call that the child's end will answer. */
  readonly callId: string;
  readonly lane: LaneName;
}

/** One atomic append by the lease holder: all of it is recorded, or none. */
export interface Transition {
  /** At least one. A `ToolsExecuting` or `ToolsFinished` event holds exactly one call. */
  readonly events: readonly Event[];
  readonly messages?: readonly NewMessage[];
  readonly children?: readonly NewChild[];
  /** Inbox rows that these events consume. */
  readonly inputsTaken?: readonly bigint[];
  /** Running totals of the run, not a difference. */
  readonly usage?: Usage;
  /** Running total of model steps. */
  readonly steps?: number;
  /** Absent: the task stays RUNNING. Given: the lease ends with this append. */
  readonly state?: "WAITING" | EndedStateName;
  readonly answer?: string;
  readonly failure?: Failure;
  /** Hashes of messages to append to the task's conversation; only with COMPLETED. */
  readonly conversation?: readonly Uint8Array[];
}

/** An event as it was recorded. */
export interface StoredEvent {
  readonly seq: bigint;
  readonly epoch: bigint;
  /** The oneof case of the event, such as "modelAnswered". */
  readonly kind: string;
  readonly schemaVersion: number;
  readonly recordedAtMs: number;
  readonly traceId: string;
  readonly event: Event;
}

/** What a worker needs to know of the task it claimed, beside its events. */
export interface ClaimedTask extends TaskRef {
  readonly user: string;
  readonly keyId: string;
  readonly agentChain: readonly string[];
  readonly agent: string;
  /** Empty: no conversation. */
  readonly threadId: string;
  readonly lane: LaneName;
  /** Hash of the message that asked. */
  readonly messageHash: Uint8Array;
  /** Empty: not a delegate. */
  readonly parentTaskId: string;
  /** The parent's tool call that this task answers; empty: not a delegate. */
  readonly parentCallId: string;
  readonly rootTaskId: string;
  /** 0 for a task that a client submitted. */
  readonly depth: number;
  readonly usage: Usage;
  readonly steps: number;
  /** Sequence number of the last event: what the first append expects. */
  readonly lastSeq: bigint;
  readonly createdAtMs: number;
  /** W3C trace context of the submit, empty when there was none. */
  readonly traceparent: string;
}

/** A successful claim. */
export interface Claim {
  readonly lease: Lease;
  readonly task: ClaimedTask;
  /** All events so far, in order. */
  readonly events: readonly StoredEvent[];
}

/** A task that is ready, as the queue hands it out. Advisory: only the claim decides. */
export interface Dispatch {
  readonly ref: TaskRef;
  readonly lane: LaneName;
  /** Takes it off the queue: call it once the claim was tried. */
  ack(): void;
  /** Offers it again after the delay. */
  nak(delayMs: number): void;
}

/** Something that arrived for a task and was not taken in yet. */
export interface Input {
  readonly inputId: bigint;
  readonly kind: "message" | "cancel" | "child-ended";
  /** For "message": its hash and the message. */
  readonly messageHash?: Uint8Array;
  readonly message?: Message;
  /** For "child-ended": which child, and the call it answers. */
  readonly childTaskId?: string;
  readonly callId?: string;
  /** For "child-ended": how it ended, with what. */
  readonly childState?: EndedStateName;
  readonly childAnswer?: string;
  readonly childFailure?: Failure;
  readonly childUsage?: Usage;
}

/**
 * The text of an answer in progress, for watchers that come late. Lossy by design: the event log is
 * the record.
 */
export interface LiveText {
  /** Keeps the piece in the hot store, up to a bound per attempt. Never throws, never waits. */
  append(ref: TaskRef, delta: TextDelta): void;
  /** Forgets the answer in progress: an event holds it now, or it was given up. */
  clear(ref: TaskRef): void;
}

/** The task log as a worker uses it. */
export interface TaskLog {
  /**
   * Waits for a ready task in one of the lanes. Rejects with the signal's reason when it aborts.
   */
  next(lanes: readonly LaneName[], signal: AbortSignal): Promise<Dispatch>;
  /**
   * Takes the task's lease with a new epoch. Undefined: the task is gone, ended, waits, is leased
   * by another, must wait for an earlier task of its conversation, or has events newer than this
   * code knows.
   */
  claim(ref: TaskRef, workerId: string): Promise<Claim | undefined>;
  /**
   * Extends leases; returns those still held. One that is missing from the answer is lost: stop its
   * run.
   */
  renew(leases: readonly Lease[]): Promise<readonly Lease[]>;
  /**
   * Records a transition after `expectedSeq` and returns the last sequence number. Throws
   * `evicted-lease-lost` when the lease is fenced out or the sequence has moved on.
   */
  append(lease: Lease, expectedSeq: bigint, transition: Transition): Promise<bigint>;
  /** The tenant's messages with these hashes, by hexadecimal hash; unknown ones are absent. */
  messages(tenant: string, hashes: readonly Uint8Array[]): Promise<Map<string, Message>>;
  /** Hashes of a conversation's messages, oldest first. */
  conversation(tenant: string, user: string, threadId: string): Promise<readonly Uint8Array[]>;
  /** The task's inbox, oldest first. */
  inputs(ref: TaskRef): Promise<readonly Input[]>;
  /** Hands the task back: its lease ends now and it is dispatched again at once. */
  release(lease: Lease): Promise<void>;
  /** Stores bytes (an agent's specification) under their SHA-256. */
  putBlob(tenant: string, bytes: Uint8Array): Promise<Uint8Array>;
  /** The bytes with this hash, if they were stored. */
  blob(tenant: string, hash: Uint8Array): Promise<Uint8Array | undefined>;
  readonly live: LiveText;
}
