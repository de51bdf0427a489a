// bun mesh/monitoring/make-dashboards.ts: writes the dashboards of panels.ts into the chart.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DashboardTable, dashboardTables, type PanelRow } from "./panels.ts";

/** Folder of the chart that they go to. */
export const dashboardsDir = join(import.meta.dir, "../chart/files/dashboards");

/** Columns of Grafana's grid, and how many of them and of its rows a panel takes. */
const gridColumns = 24;
const numberSize = { w: 6, h: 4 };
const linesSize = { w: 8, h: 8 };
/** Of dashboards as Grafana 11 writes them; newer ones take it and raise it themselves. */
const schemaVersion = 39;

const source = { type: "prometheus", uid: "$datasource" };

/** A dashboard as Grafana imports it. */
export function makeDashboard({ name, title, about, panels }: DashboardTable): string {
  const made = {
    uid: `warmpath-${name}`,
    title,
    description: about,
    tags: ["warmpath"],
    schemaVersion,
    editable: true,
    refresh: "30s",
    time: { from: "now-3h", to: "now" },
    timezone: "",
    templating: { list: variables() },
    panels: placed(panels).map(({ row, place }, index) => makePanel(row, place, index + 1)),
  };
  return `${JSON.stringify(made, undefined, 1)}\n`;
}

function makePanel(
  { title, about, unit, queries, isNumber = false }: PanelRow,
  place: Place,
  id: number,
) {
  return {
    id,
    type: isNumber ? "stat" : "timeseries",
    title,
    description: about,
    datasource: source,
    gridPos: place,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options: isNumber
      ? { reduceOptions: { calcs: ["lastNotNull"] } }
      : {
          legend: { displayMode: "list", placement: "bottom" },
          tooltip: { mode: "multi", sort: "desc" },
        },
    targets: queries.map(([expr, legendFormat], at) => ({
      refId: String.fromCharCode("A".charCodeAt(0) + at),
      datasource: source,
      expr,
      legendFormat,
      range: true,
    })),
  };
}

function variables() {
  const chosen = { includeAll: true, multi: true, allValue: ".*", refresh: 2, sort: 1 };
  const asked = (name: string, query: string) => ({
    name,
    type: "query",
    datasource: source,
    query: { query, refId: name },
    current: { text: "All", value: "$__all" },
    ...chosen,
  });
  return [
    { name: "datasource", type: "datasource", query: "prometheus", current: {} },
    asked("namespace", "label_values(warmpath_process_process_start_time_seconds, namespace)"),
    asked("model", "label_values(vllm:num_requests_running, model_name)"),
  ];
}

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

/** Panels from left to right, and on to the next line where one does not fit. */
function placed(rows: readonly PanelRow[]): readonly { row: PanelRow; place: Place }[] {
  let [x, y, tallest] = [0, 0, 0];
  return rows.map((row) => {
    const size = row.isNumber === true ? numberSize : linesSize;
    if (x + size.w > gridColumns) {
      [x, y, tallest] = [0, y + tallest, 0];
    }
    const place = { x, y, ...size };
    x += size.w;
    tallest = Math.max(tallest, size.h);
    return { row, place };
  });
}

function main(): void {
  for (const table of dashboardTables) {
    writeFileSync(join(dashboardsDir, `${table.name}.json`), makeDashboard(table));
  }
}

if (import.meta.main) {
  main();
}
