// Goal: nothing of monitoring where it is off, the port that answers where it is on, and no word of
// a rule lost on its way through Helm's templates. Skipped where there is no helm.

import { expect, test } from "bun:test";
import { findHelm, helmMissing, renderChart } from "../helm.ts";
import { readRuleFiles } from "../proofs/alerts/files.ts";
import { type KubeObject, parseObjects } from "../proofs/kube-object.ts";
import { dashboardTables } from "./panels.ts";

const hasHelm = findHelm() !== undefined;
if (!hasHelm) {
  process.stdout.write(`skipped: monitoring.test.ts. ${helmMissing}\n`);
}
const helmTest = test.skipIf(!hasHelm);
const base = ["-n", "agents", "--set", "upstreams.urls={http://engine.example:8000}"];
const on = ["--set", "monitoring.enabled=true"];
const kinds = ["PodMonitor", "PrometheusRule", "ConfigMap"];

// A mesh must be told where the stores are.
const inMesh = [
  "mesh.enabled=true",
  ...["postgres", "redis", "nats"].map((store) => `egress.stores.${store}.host=${store}.db.svc`),
].join(",");

function render(...args: string[]): readonly KubeObject[] {
  const { stdout, stderr, exitCode } = renderChart([...base, ...args]) ?? {};
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return parseObjects(stdout ?? "").filter(({ kind }) => kinds.includes(kind));
}

function endpointOf(manifests: readonly KubeObject[]) {
  const monitor = manifests.find(({ kind }) => kind === "PodMonitor");
  const endpoints = monitor?.spec?.["podMetricsEndpoints"];
  // The operator's definition of the object.
  return (
    endpoints as { port: string; path: string; relabelings?: { replacement?: string }[] }[]
  )[0];
}

helmTest("nothing is rendered unless it is asked for", () => {
  expect(render()).toEqual([]);
  const withoutRules = ["--set", "monitoring.rules=false,monitoring.dashboards.enabled=false"];
  expect(render(...on, ...withoutRules).map(({ kind }) => kind)).toEqual(["PodMonitor"]);
});

helmTest(
  "without a mesh the service is asked, in a mesh the agent that is outside mutual TLS",
  () => {
    expect(endpointOf(render(...on))).toMatchObject({ port: "http", path: "/metrics" });
    const merged = endpointOf(render(...on, "--set", inMesh));
    expect(merged).toMatchObject({ port: "http-envoy-prom", path: "/stats/prometheus" });
    expect(merged?.relabelings?.flatMap(({ replacement }) => replacement ?? [])).toEqual([
      "$1:15020",
      "[$1]:15020",
    ]);
    const ambient = ["--set", `${inMesh},mesh.mode=ambient`];
    expect(endpointOf(render(...on, ...ambient))).toMatchObject({ port: "http", path: "/metrics" });
  },
);

helmTest(
  "rules arrive as they are, but for where runbooks are and what the release is called",
  () => {
    const rendered = render(...on, "--set", "monitoring.runbooks=https://docs.example.com/x/");
    for (const { name, groups } of readRuleFiles()) {
      const rule = rendered.find(({ metadata }) => metadata.name === `warmpath-${name}`);
      const expected = JSON.stringify(groups).replaceAll(
        '"runbook_url":"docs/',
        '"runbook_url":"https://docs.example.com/x/',
      );
      expect(JSON.stringify(rule?.spec?.["groups"])).toBe(expected);
    }
  },
);

helmTest("each dashboard is a ConfigMap that Grafana's sidecar finds", () => {
  const maps = render(...on).filter(({ kind }) => kind === "ConfigMap");
  expect(maps.map(({ metadata }) => metadata.name).sort()).toEqual(
    dashboardTables.map(({ name }) => `warmpath-dashboard-${name}`).sort(),
  );
  expect(maps[0]?.metadata).toMatchObject({ labels: { grafana_dashboard: "1" } });
});
