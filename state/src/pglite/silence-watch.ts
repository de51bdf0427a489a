import { after, type Clock } from "@warmpath/runtime/base";

/**
 * Notices a silence that lasts too long. Silences begin and end with every statement of a
 * transaction, so that costs no timer: one runs on from silence to silence and looks again.
 */
export class SilenceWatch {
  readonly #clock: Clock;
  readonly #silentMsMax: number;
  readonly #onSilent: () => void;
  #sinceMs: number | undefined;
  #timer: { cancel(): void } | undefined;

  /** Calls `onSilent` when a silence reaches `silentMsMax`, in ms; that silence is then over. */
  constructor(clock: Clock, silentMsMax: number, onSilent: () => void) {
    this.#clock = clock;
    this.#silentMsMax = silentMsMax;
    this.#onSilent = onSilent;
  }

  /** A silence begins. */
  begin(): void {
    this.#sinceMs = this.#clock.monotonicMs();
    this.#timer ??= this.#lookAfter(this.#silentMsMax);
  }

  /** It is over. */
  end(): void {
    this.#sinceMs = undefined;
  }

  /** Stops for good. */
  close(): void {
    this.#sinceMs = undefined;
    this.#timer?.cancel();
  }

  #lookAfter(ms: number): { cancel(): void } {
    return after(this.#clock, ms, () => {
      this.#timer = undefined;
      if (this.#sinceMs === undefined) {
        return;
      }
      const leftMs = this.#sinceMs + this.#silentMsMax - this.#clock.monotonicMs();
      if (leftMs > 0) {
        this.#timer = this.#lookAfter(leftMs);
      } else {
        this.#sinceMs = undefined;
        this.#onSilent();
      }
    });
  }
}
