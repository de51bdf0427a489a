import { expect, test } from "bun:test";
import { silentLogger } from "./base/index.ts";
import { drain } from "./drain.ts";

test("steps close in order, and one that fails or hangs does not keep the rest open", async () => {
  const closed: string[] = [];
  const note = (name: string) => ({
    name,
    close: () => {
      closed.push(name);
    },
  });
  const startMs = performance.now();
  await drain({
    log: silentLogger,
    graceMs: 20,
    steps: [
      note("listeners"),
      { name: "broken", close: () => Promise.reject(new Error("broke")) },
      { name: "stuck", close: () => new Promise(() => undefined) },
      note("store"),
    ],
  });
  expect(closed).toEqual(["listeners", "store"]);
  expect(performance.now() - startMs).toBeLessThan(1500);
});
