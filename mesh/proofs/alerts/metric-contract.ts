import { messageOf } from "@warmpath/runtime/base";
import { type Family, seriesOf } from "./exposition.ts";
import type { RuleFile } from "./files.ts";
import { foreignMetrics, targetLabels } from "./foreign-metrics.ts";
import { factsOf, type MetricLabels, type QueryFacts } from "./promql/labels.ts";
import { parseQuery } from "./promql/parse.ts";

/** A query that a deployment asks, and what is made of its labels. */
export interface AskedQuery {
  /** Where it stands, for a sentence about it. */
  readonly where: string;
  readonly query: string;
  /** Text in which the result's labels are named: annotations, legends. */
  readonly texts: readonly string[];
}

/**
 * The series that exist: those of the families, with the labels that docs/METRICS.md declares for
 * them too (a counter that nobody counted has no samples yet), those of others, and what the rules
 * record.
 */
export function existingMetrics(
  families: readonly Family[],
  metricsMarkdown: string,
  rules: readonly RuleFile[],
): MetricLabels {
  const declared = declaredLabels(metricsMarkdown);
  const metrics = new Map<string, Set<string>>();
  for (const family of families) {
    for (const series of seriesOf(family)) {
      const labels = [...family.labels, ...(declared.get(family.name) ?? []), ...targetLabels];
      const ending = series.endsWith("_bucket") ? ["le"] : [];
      // On every sample of ours, also of those that have none yet.
      if (series.startsWith("warmpath_")) labels.push("service");
      metrics.set(series, new Set([...(metrics.get(series) ?? []), ...labels, ...ending]));
    }
  }
  for (const { name, labels } of foreignMetrics) {
    metrics.set(name, new Set([...labels, ...targetLabels]));
  }
  for (const { record, expr } of rules.flatMap(({ groups }) => groups).flatMap(rulesOf)) {
    if (record !== undefined) {
      metrics.set(record, new Set(factsOf(parseQuery(expr), metrics).labels));
    }
  }
  return metrics;
}

/** A sentence for each name in a query, an annotation or a legend that does not exist. */
export function contractFaults(
  asked: readonly AskedQuery[],
  metrics: MetricLabels,
): readonly string[] {
  return asked.flatMap(({ where, query, texts }) => {
    let facts: QueryFacts;
    try {
      facts = factsOf(parseQuery(withoutVariables(query)), metrics);
    } catch (error) {
      return [`${where}: ${messageOf(error)}`];
    }
    const named = texts.flatMap(labelsIn);
    const dangling = named.filter((label) => !facts.labels.has(label));
    return [
      ...facts.faults.map((fault) => `${where}: ${fault}`),
      ...dangling.map((label) => `${where}: the result has no label ${label}`),
    ];
  });
}

/** A query as Prometheus gets it: Grafana's lengths of time are put in; texts stay as they are. */
export function withoutVariables(query: string): string {
  return query.replaceAll(/\$__(?:rate_interval|interval|range)\b/g, "5m");
}

/** `{{ $labels.model }}` of Prometheus, `{{model}}` of Grafana; not the words of a condition. */
function labelsIn(text: string): readonly string[] {
  const found = [...text.matchAll(/\$labels\.(\w+)|\{\{\s*(?!else|end)([A-Za-z_]\w*)\s*\}\}/g)];
  return found.flatMap(([, prometheus, grafana]) => prometheus ?? grafana ?? []);
}

function declaredLabels(markdown: string): ReadonlyMap<string, readonly string[]> {
  const rows = [...markdown.matchAll(/^\| `(warmpath_\w+)` \| \w+ \| ([^|]*) \|/gm)];
  return new Map(
    rows.map(([, name = "", labels = ""]) => [
      name,
      [...labels.matchAll(/`(\w+)`/g)].map(([, label = ""]) => label),
    ]),
  );
}

function rulesOf({ rules }: RuleFile["groups"][number]) {
  return rules;
}
