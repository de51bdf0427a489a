import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMetrics } from "@warmpath/runtime";
import { createOrchestratorMetrics } from "../metrics.ts";
import { ada } from "../testing/index.ts";
import { openTestSystem, type TestSystem } from "../testing/system.ts";
import { createKnowledgeSearch } from "../tools/knowledge-search.ts";
import { loadOnce } from "./load-knowledge.ts";
import { passageCharsMax, passagesFromMarkdown } from "./passages.ts";

// Opening a database takes seconds on a machine that does other things too.
setDefaultTimeout(20_000);

describe("passagesFromMarkdown()", () => {
  test("cuts at headings and names each passage by the headings above it", () => {
    const text =
      "intro\n\n# A\n\nfirst\n\n## B\n\nsecond\n\n```\n# not a heading\n```\n\n# C\n\nthird";
    expect(passagesFromMarkdown(text)).toEqual([
      { title: "", text: "intro" },
      { title: "A", text: "first" },
      { title: "A › B", text: "second\n\n```\n# not a heading\n```" },
      { title: "C", text: "third" },
    ]);
  });

  test("cuts long sections at paragraphs and endless paragraphs anywhere", () => {
    const text = `# A\n\n${"word ".repeat(300)}\n\n${"word ".repeat(300)}\n\n${"x".repeat(5_000)}`;
    const passages = passagesFromMarkdown(text);
    expect(passages.length).toBeGreaterThan(3);
    for (const { title, text } of passages) {
      expect(title).toBe("A");
      expect(text.length).toBeLessThanOrEqual(passageCharsMax);
    }
  });

  test("an empty file has no passages", () => {
    expect(passagesFromMarkdown("\n# only a heading\n")).toEqual([]);
  });
});

describe("knowledge", () => {
  let system: TestSystem;
  const directory = mkdtempSync(join(tmpdir(), "warmpath-knowledge-"));
  const signal = new AbortController().signal;
  beforeAll(async () => {
    system = await openTestSystem({ script: () => ({}) });
    mkdirSync(join(directory, "deep"));
    mkdirSync(join(directory, ".hidden"));
    writeFileSync(join(directory, "leases.md"), "# Leases\n\nLeases are fenced by epochs.");
    writeFileSync(join(directory, "deep", "lanes.md"), "# Lanes\n\nLanes have weights.");
    writeFileSync(join(directory, ".hidden", "secret.md"), "# Secret\n\nLeases of nobody.");
  });
  afterAll(async () => {
    rmSync(directory, { recursive: true, force: true });
    await system.close();
  });

  async function search(query: string): Promise<string[]> {
    const tool = createKnowledgeSearch({ ...system.clients, log: system.log });
    const result = await tool.call({
      argumentsJson: JSON.stringify({ query }),
      idempotencyKey: "k",
      principal: ada,
      taskId: "task_1",
      timeoutMs: 2_000,
      signal,
    });
    expect(result.outcome).toBe("done");
    const { matches } = JSON.parse(result.content) as { matches: { source: string }[] };
    return matches.map(({ source }) => source);
  }

  test("finds what the files say, follows their changes, and forgets removed ones", async () => {
    let puts = 0;
    const { knowledge } = system.clients;
    const deps = {
      ...system,
      directory,
      knowledge: {
        ...knowledge,
        putSource: (...args: Parameters<typeof knowledge.putSource>) => {
          puts += 1;
          return knowledge.putSource(...args);
        },
      },
      inference: system.clients.inference,
      metrics: createOrchestratorMetrics(system.metrics),
      scanMs: 1_000,
    };
    const loaded = new Map();
    await loadOnce(deps, loaded, signal);
    expect(puts).toBe(2);
    expect(await search("how are leases fenced")).toEqual(["leases.md"]);
    expect(await search("weights")).toEqual(["deep/lanes.md"]);

    await loadOnce(deps, loaded, signal);
    expect(puts).toBe(2);

    writeFileSync(join(directory, "leases.md"), "# Leases\n\nHamsters.");
    rmSync(join(directory, "deep", "lanes.md"));
    await loadOnce(deps, loaded, signal);
    expect(puts).toBe(4);
    expect(await search("hamsters")).toEqual(["leases.md"]);
    expect(await search("weights")).toEqual([]);
  });

  test("forgets what an earlier process put of another directory", async () => {
    const deps = {
      ...system,
      directory,
      knowledge: system.clients.knowledge,
      inference: system.clients.inference,
      metrics: createOrchestratorMetrics(createMetrics("orchestrator")),
      scanMs: 1_000,
    };
    writeFileSync(join(directory, "zebras.md"), "# Zebras\n\nStripes.");
    await loadOnce(deps, new Map(), signal);
    expect(await search("stripes")).toEqual(["zebras.md"]);
    const other = mkdtempSync(join(tmpdir(), "warmpath-knowledge-"));
    writeFileSync(join(other, "okapis.md"), "# Okapis\n\nAlso with legs.");
    await loadOnce({ ...deps, directory: other }, new Map(), signal);
    rmSync(other, { recursive: true });
    expect(await search("stripes")).toEqual([]);
    expect(await search("legs")).toEqual(["okapis.md"]);
  });
});
