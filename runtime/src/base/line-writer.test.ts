import { describe, expect, test } from "bun:test";
import { createLineWriter } from "./line-writer.ts";

function collected() {
  const writes: string[] = [];
  const write = (text: string) => void writes.push(text);
  return { writes, line: createLineWriter({ write, writeLast: write }) };
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe("createLineWriter()", () => {
  test("writes the lines of one turn together, in their order", async () => {
    const { writes, line } = collected();
    line("one");
    await Promise.resolve();
    line("two");
    expect(writes).toEqual([]);
    await nextTurn();
    line("three");
    await nextTurn();
    expect(writes).toEqual(["one\ntwo\n", "three\n"]);
  });

  test("does not hold much, and writes it once", async () => {
    const { writes, line } = collected();
    line("x".repeat(70_000));
    expect(writes.length).toBe(1);
    line("y");
    await nextTurn();
    await nextTurn();
    expect(writes.join("")).toBe(`${"x".repeat(70_000)}\ny\n`);
  });

  test("what waits when the process exits is written", () => {
    const script = `
      import { createLineWriter } from "${import.meta.dir}/line-writer.ts";
      const line = createLineWriter();
      line("last words");
      process.exit(0);
    `;
    const { stderr } = Bun.spawnSync([process.execPath, "-e", script], { stderr: "pipe" });
    expect(stderr.toString()).toBe("last words\n");
  });
});
