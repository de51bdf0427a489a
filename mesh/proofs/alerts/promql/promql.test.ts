// Goal: every name in a query is seen, and labels are followed to its result.

import { expect, test } from "bun:test";
import { factsOf } from "./labels.ts";
import { parseQuery } from "./parse.ts";

const metrics = new Map([
  ["a_total", new Set(["pod", "model"])],
  ["b_bucket", new Set(["pod", "le"])],
  ["c", new Set(["pod", "node"])],
]);

function check(text: string) {
  const { labels, faults } = factsOf(parseQuery(text), metrics);
  return { labels: [...labels], faults };
}

test("labels are followed through aggregations, functions, operators and time", () => {
  const cases: readonly [string, readonly string[]][] = [
    ["sum by (pod) (rate(a_total[5m])) / 2", ["pod"]],
    ["1 - max without (model) (a_total offset 10m)", ["pod"]],
    ["histogram_quantile(0.95, sum(rate(b_bucket[5m])) by (le, pod)) > 3", ["pod"]],
    ["a_total * on (pod) group_left (node) c", ["pod", "model"]],
    ["a_total and on () deriv(c[10m]) > 0", ["pod", "model"]],
    ['absent(a_total{model="x"})', ["model"]],
    ['label_replace(c, "zone", "$1", "node", "(.*)")', ["pod", "node", "zone"]],
    ["topk by (pod) (3, a_total)", ["pod", "model"]],
    ["max_over_time(sum(a_total)[1h:5m])", []],
    ["sum(a_total) + (sum(c) or vector(0)) # said", []],
  ];
  for (const [text, labels] of cases) {
    expect({ text, ...check(text) }).toEqual({ text, labels: [...labels], faults: [] });
  }
});

test("a name that nobody has is found wherever it stands", () => {
  const cases: readonly [string, string][] = [
    ["sum(rate(gone_total[5m]))", "no gone_total is exposed"],
    ['a_total{lane="x"}', "a_total has no label lane"],
    ["sum by (lane) (a_total)", "nothing that is grouped has a lane"],
    ["a_total / on (node) c", 'the left of "/" has no node'],
    ["histogram_quantile(0.9, sum by (pod) (b_bucket))", "the quantile is of something without le"],
    ["sum(sum by (pod) (a_total) unless gone)", "no gone is exposed"],
  ];
  for (const [text, fault] of cases) {
    expect(check(text).faults).toEqual([fault]);
  }
});

test("what is no query is refused", () => {
  for (const text of ["sum(", "a_total b", "", "a_total[5m", '{pod="x"}', "a ~ b"]) {
    expect(() => parseQuery(text)).toThrow();
  }
});
