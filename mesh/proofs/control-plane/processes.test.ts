import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts, startProgram, until } from "./processes.ts";

async function inFolder(use: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "warmpath-processes-"));
  try {
    await use(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test("free ports are different, and below those that connections take for themselves", async () => {
  const ports = await freePorts(5);
  expect(new Set(ports).size).toBe(5);
  expect(ports.every((port) => port >= 1024 && port < 32_768)).toBe(true);
});

test("a program that has ended by itself is reported with the end of its log", async () => {
  await inFolder(async (dir) => {
    const program = startProgram("short", ["sh", "-c", "echo the reason; exit 3"], dir);
    await until(
      () => "it has ended",
      10_000,
      () => program.tail().includes("the reason"),
    );
    await until(
      () => "it is reported",
      10_000,
      () => {
        try {
          program.assertRunning();
          return false;
        } catch (error) {
          expect(String(error)).toMatch(/short has ended \(3\): the reason/);
          return true;
        }
      },
    );
    await program.kill();
  });
});

test("a running program is ended, and gone when that is said", async () => {
  await inFolder(async (dir) => {
    const program = startProgram("long", ["sleep", "60"], dir);
    program.assertRunning();
    await program.kill();
    expect(() => program.assertRunning()).toThrow(/long has ended \(SIGKILL\)/);
  });
});

test("a program does not outlive the proof, even one that is killed", async () => {
  await inFolder(async (dir) => {
    const from = JSON.stringify(join(import.meta.dir, "processes.ts"));
    const proof = `import { startProgram } from ${from};
startProgram("long", ["sh", "-c", "echo $$; exec sleep 60"], ${JSON.stringify(dir)});
setInterval(() => {}, 1000);`;
    const child = Bun.spawn([process.execPath, "--eval", proof], { stdout: "ignore" });
    const log = join(dir, "long.log");
    const pid = () => (existsSync(log) ? Number(readFileSync(log, "utf8")) : 0);
    try {
      await until(
        () => "it has said its number",
        10_000,
        () => pid() > 0,
      );
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
    await until(
      () => "it is gone",
      10_000,
      () => isGone(pid()),
    );
  });
});

/** True when there is no such process, or only what its parent has not yet asked about. */
function isGone(pid: number): boolean {
  try {
    return /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    // The folder goes with the process.
    return true;
  }
}

test("what never comes true is named with the time it was waited for", async () => {
  const never = () =>
    until(
      () => "the moon is green",
      10,
      () => false,
    );
  await expect(never()).rejects.toThrow("not within 0.01 s: the moon is green");
});
