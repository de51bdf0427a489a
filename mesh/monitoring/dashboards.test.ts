// Goal: what the chart installs is what the tables say, and Grafana can take it.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { dashboardsDir, makeDashboard } from "./make-dashboards.ts";
import { dashboardTables } from "./panels.ts";

for (const table of dashboardTables) {
  test(`${table.name}.json is what its table makes: npx bun mesh/monitoring/make-dashboards.ts`, () => {
    const installed = readFileSync(join(dashboardsDir, `${table.name}.json`), "utf8");
    expect(installed).toBe(makeDashboard(table));
  });

  test(`panels of ${table.name} say what they show, overlap nowhere, and name their data source`, () => {
    const { panels } = JSON.parse(makeDashboard(table)) as {
      panels: {
        title: string;
        description: string;
        datasource: { uid: string };
        gridPos: { x: number; y: number; w: number; h: number };
        targets: { refId: string; expr: string }[];
      }[];
    };
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { description, datasource, gridPos, targets } of panels) {
      expect(description).not.toBe("");
      expect(datasource.uid).toBe("$datasource");
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
      for (let cell = 0; cell < gridPos.w * gridPos.h; cell += 1) {
        const x = gridPos.x + (cell % gridPos.w);
        const place = `${x},${gridPos.y + Math.floor(cell / gridPos.w)}`;
        expect({ place, isFree: !taken.has(place) && x < 24 }).toEqual({ place, isFree: true });
        taken.add(place);
      }
    }
  });
}
