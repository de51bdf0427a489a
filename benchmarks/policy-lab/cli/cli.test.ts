import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sweeps } from "../grid/plans.ts";
import { runLab } from "../run-lab.ts";
import { parseLabOptions, UsageError } from "./options.ts";
import { createProgress, formatSeconds } from "./progress.ts";
import { formatSummary } from "./summary.ts";

const specsOf = (...argv: string[]) =>
  (parseLabOptions(argv).plan?.jobs ?? []).map(({ spec }) => spec);

describe("parseLabOptions()", () => {
  test("each flag narrows the grid", () => {
    const specs = specsOf(
      ...["--policies", "random,infinite-cache", "--replicas", "3", "--demand", "0.5,2"],
      ...["--seeds", "2", "--regime", "saturation", "--profile", "tiny", "--blocks", "500"],
      ...["--workload", "chat", "--warmup", "1", "--measure", "2.5"],
    );
    expect(specs).toHaveLength(2 * 2 * 2);
    expect(specs.at(-1)).toEqual({
      policy: "infinite-cache",
      workload: "chat",
      regime: "saturation",
      replicas: 3,
      demand: 2,
      seed: 2,
      scenario: {
        name: "baseline",
        profiles: ["tiny"],
        blocks: 500,
        scrapeMs: 250,
        eventLagMs: 10,
        eventLoss: 0,
      },
      warmupMs: 1000,
      measuredMs: 2500,
    });
  });

  test("a trace is a workload of its own name", () => {
    const options = parseLabOptions(["--trace", "some/where/day.jsonl", "--tiny"]);
    expect(options.tracePath).toBe("some/where/day.jsonl");
    const specs = options.plan?.jobs.map(({ spec }) => spec) ?? [];
    expect(specs[0]?.workload).toBe("trace:day.jsonl");
    // Its own pace.
    expect(specs.find(({ regime }) => regime === "open")?.demand).toBe(1);
  });

  test("demands are for saturation: the open load beside them stays, unless it is meant", () => {
    const openOf = (...argv: string[]) => [
      ...new Set(
        specsOf("--policies", "random", ...argv)
          .filter(({ regime }) => regime === "open")
          .map(({ demand }) => demand),
      ),
    ];
    expect(openOf("--demand", "1,3")).toEqual([0.25]);
    expect(openOf("--demand", "1,3", "--workload", "rag")).toEqual([0.1]);
    expect(openOf("--demand", "1,3", "--load", "0.5,2")).toEqual([0.5, 2]);
    expect(openOf("--demand", "1,3", "--regime", "open")).toEqual([1, 3]);
    expect(openOf("--demand", "1,3", "--sweep", "load")).toEqual([1, 3]);
    expect(openOf("--sweep", "load", "--workload", "rag-lite").at(0)).toBe(0.025);
  });

  test("only the whole default grid has a bar on its time", () => {
    expect(parseLabOptions([]).isDefaultGrid).toBe(true);
    expect(parseLabOptions(["--seeds", "5"]).isDefaultGrid).toBe(false);
    expect(parseLabOptions(["--quick"]).isDefaultGrid).toBe(false);
    expect(parseLabOptions(["--large"]).resume).toBe(true);
  });

  test("plain grids end with the published comparison, which can also be had alone", () => {
    expect(parseLabOptions(["--tiny"]).published).toBe("tiny");
    expect(parseLabOptions(["--tiny", "--seeds", "1"]).published).toBeUndefined();
    expect(parseLabOptions(["--sweep", "load"]).published).toBeUndefined();
    const alone = parseLabOptions(["--published", "--quick"]);
    expect([alone.plan, alone.published]).toEqual([undefined, "quick"]);
    expect(() => parseLabOptions(["--published", "--sweep", "load"])).toThrow(UsageError);
  });

  for (const name of Object.keys(sweeps)) {
    test(`the sweep "${name}" varies something, and says so in its rows`, () => {
      const specs = specsOf("--sweep", name, "--policies", "random", "--seeds", "1");
      expect(specs.length).toBeGreaterThan(1);
      const rows = specs.map(({ regime, replicas, demand, scenario }) =>
        [regime, replicas, demand, scenario.name].join(),
      );
      expect(new Set(rows).size).toBe(specs.length);
    });
  }

  const faults: readonly (readonly [string[], RegExp])[] = [
    [["--policies", "randon"], /did you mean random/],
    [["--workload", "nothing"], /no workload is called "nothing"; known: .*agent-lite/],
    [["--sweep", "nothing"], /known: .*staleness/],
    [["--profile", "nothing"], /known: .*llama-8b-h100/],
    [["--regime", "nothing"], /known: saturation, open/],
    [["--replicas", "0"], /--replicas takes whole numbers from 1 on/],
    [["--demand", "x"], /--demand takes numbers above 0/],
    [["--quick", "--tiny"], /give one of --quick, --tiny/],
    [["--trace", "a", "--workload", "chat"], /not both/],
    [["--bogus"], /bogus/],
  ];
  for (const [argv, message] of faults) {
    test(`${argv.join(" ")} is refused with a reason`, () => {
      const parse = () => parseLabOptions(argv);
      expect(parse).toThrow(UsageError);
      expect(parse).toThrow(message);
    });
  }
});

describe("progress", () => {
  const spec = specsOf("--tiny")[0]!;
  const run = (isTTY: boolean) => {
    const written: string[] = [];
    let nowMs = 0;
    const out = { isTTY, write: (text: string) => written.push(text) };
    const progress = createProgress({ total: 4, out, nowMs: () => nowMs });
    for (let cell = 0; cell < 4; cell += 1) {
      nowMs += 6000;
      progress.step(spec);
    }
    progress.end();
    return written;
  };

  test("is a bar on a terminal, with the time that is left", () => {
    const [first] = run(true);
    expect(first).toMatch(/^\r.*█+░+ 1\/4 cells, 18 s left, random/);
  });

  test("is a few plain lines elsewhere, the last one among them", () => {
    const lines = run(false);
    expect(lines.length).toBeLessThan(4);
    expect(lines.at(-1)).toMatch(/^policy-lab: 4\/4 cells, 0 s left, .*\n$/);
  });

  test("times read well", () => {
    expect([7.4, 200, 7500].map(formatSeconds)).toEqual(["7 s", "3 min 20 s", "2 h 5 min"]);
  });
});

describe("main.ts", () => {
  const main = join(import.meta.dir, "../main.ts");
  const start = async (...argv: string[]) => {
    const child = Bun.spawn([process.execPath, main, ...argv], { stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr, status] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { stdout, stderr, status };
  };

  test("runs, reports, and prints a JSON line per bar", async () => {
    const out = mkdtempSync(join(tmpdir(), "policy-lab-"));
    try {
      const flags = ["--tiny", "--seeds", "1", "--regime", "saturation", "--json", "--out", out];
      const { stdout, stderr, status } = await start(...flags);
      expect(stderr).toContain("report.html");
      expect(status).toBe(0);
      for (const line of stdout.trim().split("\n")) {
        expect(JSON.parse(line)).toMatchObject({ ok: true, bar: expect.any(String) });
      }
      const html = await Bun.file(join(out, "report.html")).text();
      expect(html).toContain("infinite-cache");
      const json = await Bun.file(join(out, "report.json")).json();
      expect(json.cells).toHaveLength(6);
    } finally {
      rmSync(out, { recursive: true });
    }
  });

  test("tells a wrong flag from a failed run", async () => {
    const { stderr, status } = await start("--policies", "nobody");
    expect(status).toBe(2);
    expect(stderr).toContain('no policy is called "nobody"');
  });
});

test("the summary has a table per metric, with what varies across", async () => {
  const out = mkdtempSync(join(tmpdir(), "policy-lab-"));
  try {
    const { plan } = parseLabOptions(["--tiny", "--measure", "1", "--policies", "random"]);
    const text = formatSummary(
      await runLab({ plan: plan!, command: "", out, resume: false, workers: 0 }),
    );
    expect(text).toContain("saturation, 2 replicas: jobs [1/s]");
    expect(text).toContain("open, 2 replicas: JCT mean [ms]");
    expect(text).toMatch(/policy +demand 0.5 +demand 2/);
    expect(text).toContain("±");
  } finally {
    rmSync(out, { recursive: true });
  }
});
