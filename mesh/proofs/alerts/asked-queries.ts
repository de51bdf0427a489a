import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dashboardsDir } from "../../monitoring/make-dashboards.ts";
import { parseObjects } from "../kube-object.ts";
import { installations, renderInstallation } from "../render/value-files.ts";
import type { RuleFile } from "./files.ts";
import type { AskedQuery } from "./metric-contract.ts";

/** What the rules ask. */
export function queriesOfRules(files: readonly RuleFile[]): readonly AskedQuery[] {
  return files.flatMap(({ name, groups }) =>
    groups.flatMap(({ rules }) =>
      rules.map(({ record, alert, expr, annotations = {} }) => ({
        where: `rules/${name}.yaml, ${record ?? alert}`,
        query: expr,
        texts: Object.values(annotations),
      })),
    ),
  );
}

/** A dashboard, as far as its queries go. */
export interface DashboardQueries {
  readonly title: string;
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string; readonly legendFormat?: string }[];
  }[];
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      /** Only those of the type "query" ask Prometheus. */
      readonly type: string;
      readonly query?: string | { readonly query: string };
    }[];
  };
}

/** What the dashboards ask, by their panels and their variables. */
export function queriesOfDashboards(
  dashboards: readonly DashboardQueries[],
): readonly AskedQuery[] {
  return dashboards.flatMap(({ title, panels, templating }) => [
    ...panels.flatMap((panel) =>
      (panel.targets ?? []).map(({ expr, legendFormat = "" }) => ({
        where: `dashboard ${title}, ${panel.title}`,
        query: expr,
        texts: [legendFormat],
      })),
    ),
    ...templating.list
      .filter(({ type }) => type === "query")
      .map(({ name, query = "" }) => {
        const where = `dashboard ${title}, ${name}`;
        const text = typeof query === "string" ? query : query.query;
        const [, metric, label] = /^label_values\((.+), *(\w+)\)$/.exec(text) ?? [];
        // Another form is no PromQL, and is told as such.
        return metric === undefined || label === undefined
          ? { where, query: text, texts: [] }
          : { where, query: metric, texts: [`{{${label}}}`] };
      }),
  ]);
}

/** The dashboards of the chart. */
export function readDashboards(): readonly DashboardQueries[] {
  return readdirSync(dashboardsDir)
    .filter((file) => file.endsWith(".json"))
    .toSorted()
    .map(
      (file) =>
        // Our own files.
        JSON.parse(readFileSync(join(dashboardsDir, file), "utf8")) as DashboardQueries,
    );
}

interface ScaledSpec {
  readonly triggers: readonly { readonly metadata: { readonly query?: string } }[];
}

/** What the autoscaler's triggers ask, over all value files; undefined where there is no helm. */
export async function queriesOfTriggers(): Promise<readonly AskedQuery[] | undefined> {
  const asked: AskedQuery[] = [];
  for (const { name, files } of installations()) {
    const rendered = await renderInstallation(files);
    if (rendered === undefined) return undefined;
    if (rendered.exitCode !== 0) throw new Error(`${name}: ${rendered.stderr}`);
    for (const each of parseObjects(rendered.stdout)) {
      if (each.kind !== "ScaledObject") continue;
      // KEDA's definition of the object.
      const { triggers } = each.spec as unknown as ScaledSpec;
      const queries = triggers.flatMap(({ metadata }) => metadata.query ?? []);
      const where = `${name}, ScaledObject ${each.metadata.name}`;
      asked.push(...queries.map((query) => ({ where, query, texts: [] })));
    }
  }
  return asked;
}
