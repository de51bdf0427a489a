import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { spawnChild } from "./child.ts";

const script = join(import.meta.dir, "testing/child.fixture.ts");

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // No such process is what is being asked.
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 3000;
  while (!condition()) {
    if (Date.now() > deadlineMs) {
      throw new Error("what the test waits for did not happen within 3 s");
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("a child process", () => {
  test("says when it is ready, has only the given environment, and stops on request", async () => {
    const lines: string[] = [];
    const onLine = (line: string) => lines.push(line);
    const child = await spawnChild({ script, env: { SHOWN: "yes" }, onLine });
    expect(await child.ready).toBe("ready yes");
    await child.stop(3000);
    expect(isAlive(child.pid)).toBe(false);
    expect(lines).toEqual(["winding down"]);
  });

  test("that dies before it is ready says why", async () => {
    let status = "";
    const onExit = (text: string) => {
      status = text;
    };
    const child = await spawnChild({ script, args: ["die"], onExit });
    await expect(child.ready).rejects.toThrow("cannot find my keys");
    expect(status).toBe("status 3");
  });

  test("that does not stop in time is killed", async () => {
    const child = await spawnChild({ script, args: ["stubborn"] });
    await child.ready;
    await child.stop(50);
    expect(isAlive(child.pid)).toBe(false);
  });

  test("ends when its parent is killed without a chance to say so", async () => {
    const lines: string[] = [];
    const onLine = (line: string) => lines.push(line);
    const parent = await spawnChild({ script, args: ["parent"], onLine });
    await parent.ready;
    await until(() => lines.length > 0);
    const grandchild = Number(lines[0]);
    expect(isAlive(grandchild)).toBe(true);
    process.kill(parent.pid, "SIGKILL");
    await until(() => !isAlive(grandchild));
  });
});
