import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { crashAt } from "./crash-point.ts";

test("ends the process at the nth passage of its place and nowhere else", async () => {
  const module = fileURLToPath(new URL("crash-point.ts", import.meta.url));
  const script = `
    const { crashAt } = await import(${JSON.stringify(module)});
    const point = crashAt("tool-called:2");
    for (const place of ["after-started", "tool-called", "before-completed", "tool-called"]) {
      console.log(place);
      point(place);
    }
    await Bun.sleep(1000);
    console.log("alive");`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "pipe" });
  const output = await new Response(child.stdout).text();
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
  expect(output.trim().split("\n")).toEqual([
    "after-started",
    "tool-called",
    "before-completed",
    "tool-called",
  ]);
});

test.each(["somewhere", "after-everything", "tool-called:0", "tool-called:x", ""])(
  "refuses %p rather than never crashing",
  (spec) => {
    expect(() => crashAt(spec)).toThrow("WARMPATH_CRASH_AT must be a place");
  },
);
