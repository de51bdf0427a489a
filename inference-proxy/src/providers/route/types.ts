/*
 * Which model serves a request, where the operator's table leaves a choice. Pure: what is known of
 * the request and of the models comes in, an order to try them in goes out.
 */

/** What a rule may ask of a request; the lower ones are looked up only when a rule asks. */
export interface RequestTraits {
  /** The model or tier that the client named; empty when it named none. */
  readonly asked: string;
  /** The session that it is a turn of, led by its tenant; empty where none was stated. */
  readonly session: string;
  /** The `x-warmpath-tier` header; empty without one. */
  readonly tier: string;
  /** Estimated from the body's bytes. */
  readonly promptTokens: number;
  hasTools(): boolean;
  header(name: string): string | undefined;
  /** A member of the body's `metadata`. */
  metadata(name: string): string | undefined;
  /** What the user said last. */
  text(): string;
}

/** One line of the table. */
export interface RouteRule {
  /** Its place in the table, from 1: what metrics, logs and headers call it. */
  readonly name: string;
  /** Whether it is about this request. */
  matches(traits: RequestTraits): boolean;
  /** Models in the order of preference; those of one rank are equally welcome. */
  readonly ranks: readonly (readonly string[])[];
}

/** How a model is, for one more request. */
export interface ModelState {
  readonly room: Room;
  /** Since when it has had no room; 0 while it has. */
  readonly blockedMs: number;
}

/** `unknown`: no upstream serves it. */
export type Room = "free" | "saturated" | "unhealthy" | "unknown";

/** What a decision looks at. */
export interface RouteView {
  stateOf(model: string): ModelState;
  /** In nano-dollars for a typical token; 0 where nobody said. */
  priceOf(model: string): number;
  /** How long a better model may have no room before a worse one is asked. */
  readonly overflowWaitMs: number;
}

/** One model to try. */
export interface RouteStep {
  readonly model: string;
  /** Longest wait for a place there; undefined: as long as any request may wait. */
  readonly waitMs: number | undefined;
  readonly kind: StepKind;
  /** For people: why it is this model's turn. */
  readonly reason: string;
}

/**
 * `first`: the best has room; `cheapest`: of several with room; `stay`: its session is there, and
 * there is room; `wait`: the best may have room soon; `overflow`: what is better has none; `queue`:
 * nothing has.
 */
export type StepKind = "first" | "cheapest" | "stay" | "wait" | "overflow" | "queue";

/** What to try, in order; never empty. */
export interface Route {
  readonly rule: string;
  readonly steps: readonly RouteStep[];
}
