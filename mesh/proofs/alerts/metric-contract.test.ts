// Goal: no name of a metric or label in rules, dashboards and triggers that nobody exposes. The real
// product is started as one process with a simulated replica, runs a task, and is scraped. The
// triggers are rendered where helm is, and otherwise named as skipped.

import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { helmMissing } from "../../helm.ts";
import {
  queriesOfDashboards,
  queriesOfRules,
  queriesOfTriggers,
  readDashboards,
} from "./asked-queries.ts";
import { type Family, parseExposition } from "./exposition.ts";
import { readRuleFiles } from "./files.ts";
import { scrapeLive } from "./live-scrape.ts";
import { contractFaults, existingMetrics } from "./metric-contract.ts";
import type { MetricLabels } from "./promql/labels.ts";

// The product starts from nothing, on a machine that other tests use too.
setDefaultTimeout(120_000);

const docs = readFileSync(join(import.meta.dir, "../../../docs/METRICS.md"), "utf8");
const rules = readRuleFiles();
let families: readonly Family[] = [];
let metrics: MetricLabels = new Map();

beforeAll(async () => {
  families = (await scrapeLive()).flatMap(parseExposition);
  metrics = existingMetrics(families, docs, rules);
});

test("every name in the rules is exposed, and every label that an alert's text names", () => {
  const asked = queriesOfRules(rules);
  expect(asked.length).toBeGreaterThan(30);
  expect(contractFaults(asked, metrics)).toEqual([]);
});

test("every name in the dashboards is exposed", () => {
  const asked = queriesOfDashboards(readDashboards());
  expect(asked.length).toBeGreaterThan(20);
  expect(contractFaults(asked, metrics)).toEqual([]);
});

test("every name in the autoscaler's triggers is exposed", async () => {
  const asked = await queriesOfTriggers();
  if (asked === undefined) {
    process.stdout.write(`skipped: the autoscaler's triggers. ${helmMissing}\n`);
    return;
  }
  expect(asked.length).toBeGreaterThan(3);
  expect(contractFaults(asked, metrics)).toEqual([]);
});

test("what docs/METRICS.md lists is what the services expose", () => {
  const listed = new Set([...docs.matchAll(/^\| `(warmpath_\w+)`/gm)].map(([, name]) => name));
  const exposed = new Set(families.map(({ name }) => name));
  expect([...listed].filter((name) => name !== undefined && !exposed.has(name))).toEqual([]);
});

test("a planted name is found: in a rule, in an alert's text, in a dashboard, in a trigger", () => {
  const planted = [
    { where: "rule", query: "rate(warmpath_gone_total[5m]) > 0", texts: [] },
    { where: "label", query: "sum by (tenant) (vllm:num_requests_waiting)", texts: [] },
    {
      where: "text",
      query: "max by (model) (warmpath_inference_proxy_model_replicas) == 0",
      texts: ["{{ $labels.replica }} is gone"],
    },
    { where: "panel", query: "vllm:gpu_cache_usage_perc", texts: ["{{pod}}"] },
    { where: "trigger", query: "sum(warmpath_state_queue_length)", texts: [] },
    { where: "typing", query: "sum(rate(vllm:num_requests_waiting[5m])", texts: [] },
  ];
  expect(contractFaults(planted, metrics)).toEqual([
    "rule: no warmpath_gone_total is exposed",
    "label: nothing that is grouped has a tenant",
    "text: the result has no label replica",
    "panel: no vllm:gpu_cache_usage_perc is exposed",
    "panel: the result has no label pod",
    "trigger: no warmpath_state_queue_length is exposed",
    'typing: expected more at "the end" of sum(rate(vllm:num_requests_waiting[5m])',
  ]);
});
