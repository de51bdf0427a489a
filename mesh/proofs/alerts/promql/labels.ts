import type { Grouping, Query } from "./parse.ts";

/** The labels of each metric that exists, by its name. */
export type MetricLabels = ReadonlyMap<string, ReadonlySet<string>>;

/** What a query gives, and which of its names nobody has. */
export interface QueryFacts {
  /** Labels of the result. */
  readonly labels: ReadonlySet<string>;
  /** A sentence for each name of a metric or a label that does not exist. */
  readonly faults: readonly string[];
}

const none: ReadonlySet<string> = new Set();
const setOperators = new Set(["and", "unless"]);
/** Their result is some of the series, as they were. */
const choosing = new Set(["topk", "bottomk"]);

/** Follows labels through a query, from the metrics to its result. */
export function factsOf(query: Query, metrics: MetricLabels): QueryFacts {
  switch (query.kind) {
    case "number":
    case "text":
      return { labels: none, faults: [] };
    case "select":
      return selectFacts(query, metrics);
    case "call":
      return callFacts(query, metrics);
    case "aggregate": {
      const { labels, faults } = together(query.args, metrics);
      const { name, grouping } = query;
      const missing = grouping === undefined ? [] : missingOf(grouping, labels);
      const grouped = grouping === undefined ? none : kept(grouping, labels);
      return {
        labels: choosing.has(name) ? labels : grouped,
        faults: [...faults, ...missing.map((label) => `nothing that is grouped has a ${label}`)],
      };
    }
    case "binary":
      return binaryFacts(query, metrics);
  }
}

function selectFacts(
  { metric, matchers }: Extract<Query, { kind: "select" }>,
  metrics: MetricLabels,
): QueryFacts {
  const labels = metrics.get(metric);
  if (labels === undefined) {
    return {
      labels: new Set(matchers.map(({ label }) => label)),
      faults: [`no ${metric} is exposed`],
    };
  }
  const dangling = matchers.filter(({ label }) => !labels.has(label));
  return { labels, faults: dangling.map(({ label }) => `${metric} has no label ${label}`) };
}

function callFacts(
  { name, args }: Extract<Query, { kind: "call" }>,
  metrics: MetricLabels,
): QueryFacts {
  const { labels, faults } = together(args, metrics);
  if (name === "histogram_quantile") {
    const missing = labels.has("le") ? [] : ["the quantile is of something without le"];
    return { labels: without(labels, ["le"]), faults: [...faults, ...missing] };
  }
  if (name === "absent" && args[0]?.kind === "select") {
    const equal = args[0].matchers.filter(({ operator }) => operator === "=");
    return { labels: new Set(equal.map(({ label }) => label)), faults };
  }
  const made = args[1]?.kind === "text" && name === "label_replace" ? [args[1].text] : [];
  return { labels: new Set([...labels, ...made]), faults };
}

function binaryFacts(
  { left, right, operator, matching, many }: Extract<Query, { kind: "binary" }>,
  metrics: MetricLabels,
): QueryFacts {
  const sides = { left: factsOf(left, metrics), right: factsOf(right, metrics) };
  const faults = [...sides.left.faults, ...sides.right.faults];
  if (matching !== undefined) {
    for (const side of ["left", "right"] as const) {
      const missing = missingOf(matching, sides[side].labels);
      faults.push(...missing.map((label) => `the ${side} of "${operator}" has no ${label}`));
    }
  }
  const labels = () => {
    if (operator === "or") return new Set([...sides.left.labels, ...sides.right.labels]);
    if (setOperators.has(operator)) return sides.left.labels;
    if (many !== undefined) return sides[many].labels;
    // A number has no labels: the other side's stay.
    const vector = left.kind === "number" ? sides.right.labels : sides.left.labels;
    return matching === undefined ? vector : kept(matching, vector);
  };
  return { labels: labels(), faults };
}

function together(args: readonly Query[], metrics: MetricLabels): QueryFacts {
  const facts = args.map((arg) => factsOf(arg, metrics));
  return {
    labels: new Set(facts.flatMap(({ labels }) => [...labels])),
    faults: facts.flatMap(({ faults }) => faults),
  };
}

function missingOf({ labels }: Grouping, there: ReadonlySet<string>): readonly string[] {
  return labels.filter((label) => !there.has(label));
}

function kept({ isOnly, labels }: Grouping, there: ReadonlySet<string>): ReadonlySet<string> {
  return isOnly ? new Set(labels) : without(there, labels);
}

function without(labels: ReadonlySet<string>, gone: readonly string[]): ReadonlySet<string> {
  return new Set([...labels].filter((label) => !gone.includes(label)));
}
