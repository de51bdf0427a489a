import { after, type Clock, type Random } from "@warmpath/runtime/base";
import { ApiError } from "../api/errors.ts";
import type { FaultSettings } from "./fault-settings.ts";

/** What strikes one answer; undefined where nothing does. */
export interface AnswerFaults {
  readonly stall: { readonly afterTokens: number; readonly ms: number } | undefined;
  readonly die: { readonly afterTokens: number } | undefined;
  readonly error: { readonly afterTokens: number; readonly error: ApiError } | undefined;
}

/** The faults of one replica: what is wrong now, and the dice that say whom it strikes. */
export class FaultState {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onChange: (settings: FaultSettings) => void;
  #settings: FaultSettings = {};
  /** What ends a fault by itself, by the fault's name. */
  readonly #timers = new Map<string, { cancel(): void }>();

  /** `onChange` is told what is wrong from now on. */
  constructor(clock: Clock, random: Random, onChange: (settings: FaultSettings) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#onChange = onChange;
  }

  get settings(): FaultSettings {
    return this.#settings;
  }

  /** Replaces the faults that `changes` names, for `forMs` or for good. */
  set(changes: FaultSettings, forMs?: number): void {
    this.#replace({ ...this.#settings, ...changes });
    for (const name of Object.keys(changes)) {
      // What was to end the fault that was here before must not end this one.
      this.#timers.get(name)?.cancel();
      this.#timers.delete(name);
      if (forMs === undefined) continue;
      this.#timers.set(
        name,
        after(this.#clock, forMs, () => this.#heal(name)),
      );
    }
  }

  /** Everything is well again. */
  clear(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#replace({});
  }

  /** The refusal that strikes the next request, if one does. */
  refusal(): ApiError | undefined {
    const { errors } = this.#settings;
    if (errors === undefined) return undefined;
    let drawn = this.#random.next();
    for (const [status, rate] of Object.entries(errors)) {
      drawn -= rate;
      if (drawn < 0) return simulatedError(Number(status));
    }
    return undefined;
  }

  /** What strikes the next answer. */
  drawAnswer(): AnswerFaults {
    const { stall, die, streamError } = this.#settings;
    const strikes = (fault: { readonly rate: number } | undefined) =>
      fault !== undefined && this.#random.next() < fault.rate;
    return {
      stall: strikes(stall) ? stall : undefined,
      die: strikes(die) ? die : undefined,
      error:
        streamError !== undefined && strikes(streamError)
          ? { afterTokens: streamError.afterTokens, error: simulatedError(streamError.status) }
          : undefined,
    };
  }

  /** Whether the next batch of KV events is lost. */
  isEventLost(): boolean {
    const { lostEvents } = this.#settings;
    return lostEvents !== undefined && this.#random.next() < lostEvents;
  }

  #heal(name: string): void {
    this.#timers.delete(name);
    this.#replace(
      Object.fromEntries(Object.entries(this.#settings).filter(([each]) => each !== name)),
    );
  }

  #replace(settings: FaultSettings): void {
    this.#settings = settings;
    this.#onChange(settings);
  }
}

/** Types as vLLM names them; it sends no 429 of its own. */
const errorTypes: Readonly<Record<number, string>> = {
  429: "TooManyRequestsError",
  500: "InternalServerError",
  503: "Service Unavailable",
};

function simulatedError(status: number): ApiError {
  const type = errorTypes[status] ?? "SimulatedFault";
  return new ApiError(status, type, `[simulated] a fault was asked for: ${status}`);
}
