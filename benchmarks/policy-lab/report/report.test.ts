import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultPolicies } from "../policies/index.ts";
import type { LabResult } from "../result.ts";
import { reportPage } from "./page.ts";
import { type SampleSize, sampleRun } from "./testing/sample-run.ts";
import { writeReport } from "./write-report.ts";

const small: SampleSize = {
  regimes: ["saturation", "open"],
  replicas: [4],
  demands: [0.5, 1, 2],
  seeds: [1, 2, 3],
};
const page = reportPage(sampleRun(small));

/** Elements that have no end tag. */
const voids = new Set(["meta", "input", "!doctype"]);

/** Names of elements that are opened and closed in the wrong order. */
function misnested(text: string): string[] {
  const open: string[] = [];
  const faults: string[] = [];
  const markup = text.replace(/<style>.*?<\/style>/s, "");
  for (const [, slash, name = "", , self] of markup.matchAll(
    /<(\/?)([!a-zA-Z][\w-]*)((?:"[^"]*"|[^">])*?)(\/?)>/g,
  )) {
    const tag = name.toLowerCase();
    if (voids.has(tag) || self === "/") continue;
    if (slash !== "/") open.push(tag);
    else if (open.pop() !== tag) faults.push(tag);
  }
  return [...faults, ...open];
}

test("the page is well-formed, and ids are unique and found", () => {
  expect(misnested(page)).toEqual([]);
  const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const references = [...page.matchAll(/(?:href="#|aria-labelledby=")([^"]+)"/g)];
  for (const [, names = ""] of references) {
    for (const name of names.split(" ")) expect(ids).toContain(name);
  }
});

test("the page needs nothing from elsewhere and runs no script", () => {
  expect(page).not.toMatch(/<script|<link|<img|@import|url\(|\shttps?:|"https?:/);
});

test("every part of the layout is there, for both regimes apart", () => {
  for (const heading of [
    "In short",
    "The run",
    "At saturation",
    "Open load",
    "SLOs at demand 1",
    "Against load",
    "The knee",
    "Distributions at demand 1",
    "Hit rate against its bound",
    "Replicas over time",
    "Fairness at demand 1",
    "Failures, waiting and waste",
    "All figures",
    "Policies and terms",
  ]) {
    expect(page).toContain(heading);
  }
  expect(page).toContain("infinite-cache");
  expect(page).toContain("✗ missed");
});

test("every chart says what it shows to who cannot see it", () => {
  const charts = page.match(/<svg[^>]*role="img"/g) ?? [];
  expect(charts.length).toBeGreaterThan(20);
  expect(page.match(/<title id=/g)).toHaveLength(charts.length);
  expect(page.match(/<desc id="[^"]+">[^<]{20,}/g)).toHaveLength(charts.length);
});

test("names from outside are text, never markup", () => {
  const nasty = `<script>alert(1)</script>"'&`;
  const run = sampleRun({ ...small, seeds: [1] });
  const renamed: LabResult = {
    ...run,
    title: nasty,
    command: nasty,
    policies: run.policies.map((facts) => ({ ...facts, name: nasty + facts.name, about: nasty })),
    cells: run.cells.map((cell) => ({
      ...cell,
      spec: { ...cell.spec, policy: nasty + cell.spec.policy, workload: nasty },
      tenants: cell.tenants.map((its) => ({ ...its, tenant: nasty + its.tenant })),
    })),
  };
  const text = reportPage(renamed);
  expect(text).not.toContain("<script");
  expect(misnested(text)).toEqual([]);
});

test("a run of one cell, one seed, one demand, or of nothing, is still a page", () => {
  for (const demands of [[1], []]) {
    const text = reportPage(
      sampleRun({ regimes: ["open"], replicas: [2], demands, seeds: [1] }, { missingCells: 3 }),
    );
    expect(misnested(text)).toEqual([]);
    expect(text).toContain("3 of the grid were not run");
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  }
  expect(page).not.toMatch(/NaN|undefined|Infinity/);
});

test("scenarios are compared with the healthy fleet, and fleet sizes with each other", () => {
  const text = reportPage(
    sampleRun({
      regimes: ["open"],
      replicas: [2, 4, 8],
      demands: [1],
      seeds: [1, 2],
      scenarios: [{ name: "staleness=5000", scrapeMs: 5000 }],
    }),
  );
  expect(text).toContain("staleness=5000");
  expect(text).toMatch(/<small>[+−][\d.]+ %<\/small>/);
  expect(text).toContain("Turns per second and replica");
});

test("the default grid's page stays small enough to send around", () => {
  const grid: SampleSize = {
    regimes: ["saturation", "open"],
    replicas: [8, 32],
    demands: [0.25, 0.5, 1, 1.5, 2, 3],
    seeds: [1],
  };
  expect(reportPage(sampleRun(grid)).length).toBeLessThan(4_000_000);
});

test("page and JSON are written side by side, with a summary over seeds", () => {
  const folder = mkdtempSync(join(tmpdir(), "lab-report-"));
  try {
    const files = writeReport(sampleRun(small), join(folder, "deep", "lab.html"));
    expect(files.json).toEndWith("lab.json");
    expect(readFileSync(files.html, "utf8")).toStartWith("<!doctype html>");
    const { summary, cells } = JSON.parse(readFileSync(files.json, "utf8"));
    const rows = defaultPolicies.length + 1;
    expect(cells).toHaveLength(rows * 3 * 3 * 2);
    expect(summary).toHaveLength(rows * 3 * 2);
    expect(summary[0].metrics.jobs.seeds).toBe(3);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
