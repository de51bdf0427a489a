import { expect, test } from "bun:test";
import { freePort } from "@warmpath/runtime/testing";
import { unreachableReason } from "./probe.ts";

test("an upstream where nobody listens is told by the code alone", async () => {
  const port = await freePort();
  const thrown: unknown = await fetch(`http://127.0.0.1:${port}`).catch((error: unknown) => error);
  expect(unreachableReason(thrown)).toBe("it cannot be reached: ECONNREFUSED");
  expect(unreachableReason(new Error("The operation timed out."))).toBe(
    "it cannot be reached: The operation timed out.",
  );
});
