import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { runCommand } from "../../../../scripts/repository.ts";
import { type FakeEngine, startTestProxy, type TestProxy, testKey } from "../../testing/index.ts";
import { startScriptedEngine } from "./scripted-engine.ts";

/* Goal: the clients run on Node as they do on Bun. Method: check-sdks.mjs in a process of Node's. */

const checksMsMax = 40_000;

let engine: FakeEngine;
let proxy: TestProxy;

beforeAll(async () => {
  engine = startScriptedEngine();
  proxy = await startTestProxy([engine]);
});

afterAll(async () => {
  await proxy.close();
  await engine.stop();
});

test(
  "the official clients run unchanged on Node",
  async () => {
    const node = Bun.which("node");
    if (node === null) {
      console.warn("skipped: the official clients on Node; node is not installed");
      return;
    }
    const script = join(import.meta.dir, "check-sdks.mjs");
    const command = [node, "--no-warnings", script, proxy.url, testKey];
    const { exitCode, text } = await runCommand(command, { timeoutMs: checksMsMax });
    const results = text
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as { name: string; fault: string | null });
    expect(results.filter(({ fault }) => fault !== null)).toEqual([]);
    // Text only where the script itself broke off.
    expect({ exitCode, text: exitCode === 0 ? "" : text }).toEqual({ exitCode: 0, text: "" });
    expect(results.length).toBeGreaterThan(0);
  },
  checksMsMax,
);
