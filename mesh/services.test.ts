// Goal: the table of services, the code, the Compose file and the chart's copy never disagree about
// a name, a port or a variable. Method: read all of them and compare.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { optionTables } from "../scripts/wiring/load-settings.ts";
import { defaultPort, portsOf, serviceNames } from "../scripts/wiring/ports.ts";
import { chartDir } from "./helm.ts";
import { readServiceTable, tablePath, variablesOf } from "./service-table.ts";

const rows = readServiceTable();

test("the table has exactly the services of the code, on their ports", () => {
  const ports = portsOf(defaultPort).services;
  expect(rows.map(({ name }) => name).sort()).toEqual([...serviceNames].sort());
  for (const { name, http, grpc, args } of rows) {
    const wanted = serviceNames.find((each) => each === name);
    expect({ http, grpc }).toEqual(wanted === undefined ? { http: 0, grpc: 0 } : ports[wanted]);
    expect(args).toEqual(["serve", name]);
  }
});

test("every variable of the table is a setting of the code", () => {
  const known = Object.values(optionTables).flatMap((options) =>
    Object.values(options).map(({ env }): string => env),
  );
  for (const row of rows) {
    const listed = [...variablesOf(row), ...(row.optional ?? [])];
    expect(listed.filter((name) => !known.includes(name))).toEqual([]);
  }
});

test("services call only services of the table", () => {
  const names = rows.map(({ name }) => name);
  for (const { calls } of rows) {
    expect(Object.keys(calls).filter((callee) => !names.includes(callee))).toEqual([]);
  }
});

test("the chart's copy of the table is the table", () => {
  const copy = readFileSync(join(chartDir, "files/matrix.yaml"), "utf8");
  // When this fails: cp mesh/matrix.yaml mesh/chart/files/matrix.yaml
  expect(copy).toBe(readFileSync(tablePath, "utf8"));
});
