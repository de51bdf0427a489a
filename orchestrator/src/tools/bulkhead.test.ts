import { expect, test } from "bun:test";
import { createBulkhead } from "./bulkhead.ts";

const never = new AbortController().signal;

test("admits as many as there are places, the rest in turn, and each integration by itself", async () => {
  const bulkhead = createBulkhead(2);
  let running = 0;
  let most = 0;
  const work = async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 1));
    running -= 1;
  };
  await Promise.all(Array.from({ length: 20 }, () => bulkhead.run("a", never, work)));
  expect(most).toBe(2);
  await Promise.all(["a", "a", "b", "b"].map((key) => bulkhead.run(key, never, work)));
  expect(most).toBe(4);
});

test("a waiter leaves with its signal, and a failure gives its place back", async () => {
  const bulkhead = createBulkhead(1);
  const first = bulkhead.run("a", never, () => new Promise((resolve) => setTimeout(resolve, 20)));
  const impatient = bulkhead.run("a", AbortSignal.timeout(1), async () => "never");
  await expect(impatient).rejects.toThrow();
  await first;
  await expect(
    bulkhead.run("a", never, async () => {
      throw new Error("broken");
    }),
  ).rejects.toThrow("broken");
  expect(await bulkhead.run("a", never, async () => "free")).toBe("free");
});
