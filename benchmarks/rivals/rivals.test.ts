/**
 * Goal: rivals are driven as they are, or reported as absent; nothing of them stays behind.
 * Method: those that happen to be installed are started for real; nothing is installed by a test.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { startMockUpstream } from "../overhead/contenders.ts";
import { tinyPlan } from "../overhead/plan.ts";
import { spawnProcess } from "../system/spawn-process.ts";
import { findRival } from "./find.ts";
import { ratioTable } from "./ratio-table.ts";
import type { Rival } from "./rival.ts";
import { rivals, runRivals } from "./rivals.ts";
import { supervised } from "./start-program.ts";

const onProgress = () => undefined;
const startTimeoutMs = 120_000;
/** LiteLLM takes most of a minute to start on a busy machine. */
const slow = ["litellm"];

const stub: Rival = {
  name: "stub",
  what: "nothing",
  source: "nowhere stub@1",
  find: async () => undefined,
  install: () => Promise.reject(new Error("the registry is closed")),
  start: () => Promise.reject(new Error("never started")),
};

test("a rival that cannot be installed is absent, with the reason and the package", async () => {
  expect(await findRival(stub, { mayInstall: true, onProgress })).toEqual({
    absent: "stub: absent: the registry is closed (nowhere stub@1)",
  });
  expect(await findRival(stub, { mayInstall: false, onProgress })).toEqual({
    absent: "stub: absent: not installed (nowhere stub@1)",
  });
});

test("a name that nobody has is refused before anything is started", async () => {
  const options = { mayInstall: false, only: ["ngnix"], installOnly: false, onProgress };
  await expect(runRivals(tinyPlan, options)).rejects.toThrow("nobody is called ngnix");
});

describe("every installed rival answers through its configuration", () => {
  let upstream: Awaited<ReturnType<typeof startMockUpstream>>;
  beforeAll(async () => {
    upstream = await startMockUpstream();
  });
  afterAll(() => upstream.stop());

  for (const rival of rivals.filter(({ name }) => !slow.includes(name))) {
    test(
      rival.name,
      async () => {
        const program = await rival.find();
        if (program === undefined) {
          console.warn(`${rival.name}: not installed (npm run bench:rivals -- --install)`);
          return;
        }
        // Resolves only when a chat request came back whole.
        const started = await rival.start(program, upstream.url);
        await started.stop();
        expect(existsSync(`/proc/${started.pid}`)).toBe(false);
      },
      startTimeoutMs,
    );
  }
});

test("a supervised program ends with its own children when its input closes", async () => {
  const script = "sleep 300 & echo $!; wait";
  const child = await spawnProcess({
    command: supervised(["/bin/sh", "-c", script]),
    readyMs: 10_000,
  });
  const grandchild = Number(child.firstLine);
  expect(isAlive(grandchild)).toBe(true);
  await child.stop();
  // Whoever inherits the dead takes a moment to notice.
  for (let tries = 0; isAlive(grandchild) && tries < 100; tries++) await Bun.sleep(20);
  expect(isAlive(grandchild)).toBe(false);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    // No such process.
    return false;
  }
}

test("the table of ratios has a column a contender and says who goes on generating", () => {
  const leave = { when: "midway", streams: 4, tokensPerStream: 13, failures: 0 } as const;
  const table = ratioTable({
    bodies: [],
    streams: [],
    leaves: [
      { ...leave, contender: "kind", cut: 4, tokensAfterLeaving: 0 },
      { ...leave, contender: "wasteful", cut: 0, tokensAfterLeaving: 10 },
    ],
    idles: [],
    figures: [],
    faults: [],
  });
  expect(table).toMatch(/^ +kind +wasteful/);
  expect(table).toMatch(/tokens made after the caller left +0\.0 +10\.0/);
  expect(table).toMatch(/goes on upstream: left midway +0 of 4 +4 of 4/);
});
