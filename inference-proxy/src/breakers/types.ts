/** What a breaker lets through: all, nothing, or a few requests that try it out. */
export type BreakerState = "closed" | "open" | "half-open";

/** When breakers open, and how they close again. */
export interface BreakerLimits {
  /** How far back requests count. */
  readonly windowMs: number;
  /**
   * Fewest requests in the window before their failures say anything; as many failures in a row
   * open a breaker whatever was before.
   */
  readonly requestsMin: number;
  /** Share of failed requests at which a breaker opens, above 0 to 1. */
  readonly failureShare: number;
  /**
   * A replica whose p99 of first events is so many times the median of its peers' is taken out; 0:
   * never for being slow.
   */
  readonly slowFactor: number;
  /** A p99 below this is never slow, whatever the peers do, in milliseconds. */
  readonly slowMsMin: number;
  /** First time out; doubles with each opening in a row. */
  readonly cooldownMs: number;
  readonly cooldownMsMax: number;
  /** Requests at once that try a half-open one, and successes that close it. */
  readonly trialsMax: number;
}

/** How a request went, as far as it says something about the replica. */
export interface Outcome {
  readonly replica: string;
  readonly model: string;
  readonly sentAtMs: number;
  /** Undefined for a success. */
  readonly failure: Failure | undefined;
  /**
   * Time to the first event of a stream, scaled so that long and short prompts can be compared;
   * undefined where there was none.
   */
  readonly firstEventMs: number | undefined;
}

/** A failure, and what it throws a shadow on. */
export interface Failure {
  /**
   * `gone`: the replica takes nothing more, one is enough. `replica`: its process or connection
   * broke. `model`: this model's answer was wrong, late or an error.
   */
  readonly scope: "gone" | "replica" | "model";
  /** In a word, such as "died"; "busy" where it only had no room. */
  readonly kind: string;
}

/** A breaker as people see it. */
export interface BreakerView {
  readonly replica: string;
  /** Empty for the whole replica. */
  readonly model: string;
  readonly state: BreakerState;
  /** Why it opened, one sentence; empty while closed. */
  readonly reason: string;
}
