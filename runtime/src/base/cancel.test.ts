import { describe, expect, test } from "bun:test";
import { abortSignalOf, Cancellation, type CancelSignal } from "./cancel.ts";

/** The platform's signal and ours must not differ in what hot paths use of them. */
const sources: Record<string, () => { signal: CancelSignal; abort(reason?: unknown): void }> = {
  "our own": () => {
    const cancellation = new Cancellation();
    return { signal: cancellation, abort: (reason) => cancellation.abort(reason) };
  },
  "the platform's": () => {
    const controller = new AbortController();
    return { signal: controller.signal, abort: (reason) => controller.abort(reason) };
  },
};

for (const [name, make] of Object.entries(sources)) {
  describe(`a cancel signal, ${name}`, () => {
    test("tells its listeners once, in order, and later ones not at all", () => {
      const { signal, abort } = make();
      const told: string[] = [];
      const first = () => told.push("first");
      signal.addEventListener("abort", first);
      signal.addEventListener("abort", first);
      signal.addEventListener("abort", () => told.push("second"), { once: true });
      abort();
      abort();
      signal.addEventListener("abort", () => told.push("late"));
      expect(told).toEqual(["first", "second"]);
    });

    test("does not tell who was taken out", () => {
      const { signal, abort } = make();
      const told: string[] = [];
      const out = () => told.push("out");
      signal.addEventListener("abort", out);
      signal.addEventListener("abort", () => told.push("in"));
      signal.removeEventListener("abort", out);
      signal.removeEventListener("abort", out);
      abort();
      expect(told).toEqual(["in"]);
    });

    test("does not tell who was taken out by one that was told before", () => {
      const { signal, abort } = make();
      const told: string[] = [];
      const second = () => told.push("second");
      signal.addEventListener("abort", () => {
        told.push("first");
        signal.removeEventListener("abort", second);
      });
      signal.addEventListener("abort", second);
      abort();
      expect(told).toEqual(["first"]);
    });

    test("throws its reason, which is an AbortError where none was given", () => {
      const { signal, abort } = make();
      signal.throwIfAborted();
      expect(signal.reason).toBeUndefined();
      abort();
      expect(signal.aborted).toBe(true);
      expect(() => signal.throwIfAborted()).toThrow(DOMException);
      const { signal: other, abort: abortOther } = make();
      abortOther(new Error("mine"));
      expect(() => other.throwIfAborted()).toThrow("mine");
    });

    test("becomes a signal of the platform's, before and after", () => {
      const { signal, abort } = make();
      const before = abortSignalOf(signal);
      expect(before.aborted).toBe(false);
      abort(new Error("mine"));
      expect(before.reason).toEqual(new Error("mine"));
      expect(abortSignalOf(signal).reason).toEqual(new Error("mine"));
    });
  });
}

test("a listener that throws keeps no other from being told", () => {
  const cancellation = new Cancellation();
  const told: string[] = [];
  for (const name of ["first", "second"]) {
    cancellation.addEventListener("abort", () => {
      told.push(name);
      throw new Error(name);
    });
  }
  expect(() => cancellation.abort()).toThrow("first");
  expect(told).toEqual(["first", "second"]);
});
