import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { depsFolder, runCommand } from "../../../../scripts/repository.ts";
import { type FakeEngine, startTestProxy, type TestProxy, testKey } from "../../testing/index.ts";
import { startScriptedEngine } from "./scripted-engine.ts";

/*
 * Goal: the official Python clients run unchanged. Method: check_sdks.py in a virtual environment
 * with pinned packages, made once below .deps; a machine that cannot make one skips this, and says
 * why.
 */

/** Some fifteen megabytes of wheels, once: a network that is slower than this is none. */
const installMsMax = 45_000;
const environmentMsMax = 20_000;
const checksMsMax = 40_000;

const requirements = join(import.meta.dir, "requirements.txt");
const limitedKey = "wp-one-a-minute";

let engine: FakeEngine;
let proxy: TestProxy;

beforeAll(async () => {
  engine = startScriptedEngine();
  proxy = await startTestProxy([engine]);
  proxy.keys.set(limitedKey, 1);
});

afterAll(async () => {
  await proxy.close();
  await engine.stop();
});

/** The environment's interpreter, or why there is none. */
async function ensurePython(): Promise<{ readonly python: string } | { readonly why: string }> {
  const system = Bun.which("python3");
  if (system === null) {
    return { why: "python3 is not installed" };
  }
  const wanted = readFileSync(requirements, "utf8");
  const folder = join(depsFolder, "python-sdks", Bun.hash.xxHash64(wanted).toString(16));
  const python = join(folder, "bin/python");
  const complete = join(folder, ".complete");
  if (existsSync(complete)) {
    return { python };
  }
  // What an interrupted installation left is begun anew.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const pip = [
    python,
    "-m",
    "pip",
    "install",
    "--quiet",
    "--no-input",
    "--disable-pip-version-check",
  ];
  for (const { command, timeoutMs } of [
    { command: [system, "-m", "venv", folder], timeoutMs: environmentMsMax },
    {
      command: [...pip, "--retries=0", "--timeout=10", "--only-binary=:all:", "-r", requirements],
      timeoutMs: installMsMax,
    },
  ]) {
    const { exitCode, text } = await runCommand(command, { timeoutMs });
    if (exitCode !== 0) {
      return { why: `${command.join(" ")}: ${text.trim().split("\n").at(-1)}` };
    }
  }
  writeFileSync(complete, "");
  return { python };
}

test(
  "the official Python clients run unchanged",
  async () => {
    const made = await ensurePython();
    if ("why" in made) {
      console.warn(`skipped: the official Python clients; ${made.why}`);
      return;
    }
    const script = join(import.meta.dir, "check_sdks.py");
    const { exitCode, text } = await runCommand(
      [made.python, script, proxy.url, testKey, limitedKey],
      // A proxy of the machine's must not come between the clients and ours.
      { timeoutMs: checksMsMax, env: { NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" } },
    );
    const results = text
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as { name: string; fault: string | null });
    expect(results.filter(({ fault }) => fault !== null)).toEqual([]);
    // Text only where the script itself broke off.
    expect({ exitCode, text: exitCode === 0 ? "" : text }).toEqual({ exitCode: 0, text: "" });
    expect(results.length).toBeGreaterThan(0);
  },
  environmentMsMax + installMsMax + checksMsMax,
);
