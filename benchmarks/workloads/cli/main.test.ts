import { describe, expect, test } from "bun:test";
import { join } from "node:path";

const main = join(import.meta.dir, "../main.ts");

async function run(...flags: readonly string[]) {
  const child = Bun.spawn([process.execPath, main, ...flags], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, status };
}

describe("bench:workloads", () => {
  test("shows all workloads, and holds the trace's bound against the published one", async () => {
    const { stdout, status } = await run("--tiny", "--json");
    const lines = stdout
      .trim()
      .split("\n")
      .map((line): Record<string, unknown> => JSON.parse(line));
    expect(status).toBe(0);
    expect(lines.filter((line) => "workload" in line).length).toBe(10);
    expect(lines.find((line) => "trace" in line)).toMatchObject({ requests: 12_031 });
    const bars = lines.filter((line) => "bar" in line);
    expect(bars.length).toBe(3);
    expect(bars.every((line) => line["ok"] === true)).toBe(true);
  });
  test("shows one workload under other settings, and sessions for each KV demand", async () => {
    const { stdout, status } = await run(
      "cache-thrash",
      "--tiny",
      "--working-set",
      "80000",
      "--json",
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      workload: "cache-thrash",
      settings: { workingSetTokens: 80_000 },
      facts: { sessions: 60, tenants: 20 },
      kv: { sharedTokens: 80_000 },
    });
    expect(JSON.parse(stdout).kv.liveSessions[0].demand).toBe(0.25);
  });
  test.each([
    [["agnt"], 'no workload is called "agnt"'],
    [["agent-lite", "--seed", "x"], "--seed must be a number above 0"],
    [["--trace", "/nowhere.jsonl"], "there is no file /nowhere.jsonl"],
    [["--trace", import.meta.dir], "is a folder"],
    [["--trace", "/dev/null"], "/dev/null: no request in it"],
    [["--trace", import.meta.path], "main.test.ts:1: not a JSON object"],
    [["--wat"], "--wat"],
  ] as const)("%p ends with a sentence and not 0", async (flags, sentence) => {
    const { stdout, stderr, status } = await run(...flags);
    expect(stdout).toBe("");
    expect(stderr).toContain(sentence);
    expect(stderr).not.toContain("at main");
    expect(status).toBeGreaterThan(0);
  });
});
