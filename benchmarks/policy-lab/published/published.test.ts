import { expect, test } from "bun:test";
import { formatPublished, runPublished } from "./index.ts";
import { ladder } from "./llm-d-figures.ts";
import { publishedShape, sharedPrefixBursts } from "./llm-d-workload.ts";
import { publishedPage } from "./page.ts";

test("every prompt is asked once before any is asked again, and shares its group's prefix", () => {
  const workload = sharedPrefixBursts({ ...publishedShape, groups: 4 }, [
    { startMs: 0, perSecond: 15, until: { requests: 20 } },
    { startMs: 60_000, perSecond: 10, until: { seconds: 3 } },
  ]);
  const sessions = [...workload.sessions(1)];
  const question = (index: number) => sessions[index]!.turns[0]!.segments[1]!.content;
  expect(new Set(sessions.slice(0, 20).map((_, index) => question(index))).size).toBe(20);
  expect(question(20)).toBe(question(0));
  expect(sessions[19]!.startMs).toBeLessThan(60_000);
  expect(sessions[20]!.startMs).toBeGreaterThan(60_000);
  expect(sessions.at(-1)!.startMs).toBeLessThan(63_000);
  const groups = Map.groupBy(sessions, ({ tenant }) => tenant);
  for (const members of groups.values()) {
    expect(new Set(members.map(({ turns }) => turns[0]!.segments[0]!.content)).size).toBe(1);
  }
  expect([...workload.sessions(1)]).toEqual(sessions);
});

test("the ladder is the published one: 16 stages up to 60 requests per second", () => {
  expect(ladder.map(({ requestsPerSecond }) => requestsPerSecond)).toEqual(
    ladder.map(({ requestsPerSecond }) => requestsPerSecond).toSorted((one, other) => one - other),
  );
  expect(ladder).toHaveLength(16);
  const requests = ladder.reduce((sum, its) => sum + its.requestsPerSecond * its.seconds, 0);
  expect(Math.round(requests)).toBeWithin(16_000, 17_000);
});

test("random collapses where precise does not, even in the smallest run, and it is all written down", () => {
  const lines: string[] = [];
  const result = runPublished("tiny", (line) => lines.push(line));
  expect(result.bars.every(({ ok }) => ok)).toBeTrue();
  const { precise, random } = result.llmD.overall;
  expect(random.hitRate.mean).toBeLessThan(precise.hitRate.mean);
  expect(lines.length).toBeGreaterThan(4);
  const text = formatPublished(result);
  expect(text).toContain("precise");
  expect(text).toContain("92 %");
  const page = publishedPage(result);
  expect(page).toContain("Why they differ");
  expect(page).not.toMatch(/<script|NaN|undefined|Infinity/);
});
