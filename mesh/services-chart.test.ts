// Goal: the pods of the four services start, are asked, and go as docs/RUNBOOK.md says. Skipped, with
// the reason printed, where there is no helm.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { chartDir, findHelm, helmMissing, renderChart } from "./helm.ts";
import { readServiceTable } from "./service-table.ts";

interface Pod {
  readonly priorityClassName?: string;
  readonly terminationGracePeriodSeconds: number;
  readonly containers: readonly Container[];
}

interface Probe {
  readonly httpGet: { readonly path: string };
  readonly periodSeconds: number;
  readonly failureThreshold: number;
}

interface Container {
  readonly startupProbe: Probe;
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
  readonly lifecycle: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
  readonly env: readonly { readonly name: string; readonly value?: string }[];
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly replicas?: number;
    readonly maxUnavailable?: number;
    readonly unhealthyPodEvictionPolicy?: string;
    readonly template: {
      readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
      readonly spec: Pod;
    };
  };
  readonly value?: number;
  readonly preemptionPolicy?: string;
}

const hasHelm = findHelm() !== undefined;
if (!hasHelm) {
  process.stdout.write(`skipped: services-chart.test.ts. ${helmMissing}\n`);
}
const helmTest = test.skipIf(!hasHelm);
const rows = readServiceTable();

function render(file: string, ...args: readonly string[]): readonly Manifest[] {
  const { stdout, stderr, exitCode } = renderChart(["-f", join(chartDir, file), ...args]) ?? {};
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  // Whatever helm printed; each field that a test uses is asserted on.
  return (Bun.YAML.parse(stdout ?? "") as (Manifest | null)[]).filter((each) => each !== null);
}

function find(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = manifests.find((each) => each.kind === kind && each.metadata.name === name);
  if (found === undefined) {
    throw new Error(`${kind} ${name} is not rendered`);
  }
  return found;
}

function containerOf(manifest: Manifest): Container {
  const [container] = manifest.spec.template.spec.containers;
  if (container === undefined) {
    throw new Error(`${manifest.metadata.name} has no container`);
  }
  return container;
}

helmTest("startup and liveness ask whether it answers, readiness what it stands on", () => {
  const manifests = render("values-pilot.yaml");
  for (const { name } of rows) {
    const container = containerOf(find(manifests, "Deployment", `warmpath-${name}`));
    const { startupProbe, readinessProbe, livenessProbe } = container;
    expect(
      [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path),
    ).toEqual(["/health", "/health", "/ready"]);
    // A first start migrates; a service that hangs is given a minute, one that is unready ten seconds.
    expect(startupProbe.periodSeconds * startupProbe.failureThreshold).toBe(180);
    expect(livenessProbe.periodSeconds * livenessProbe.failureThreshold).toBe(60);
    expect(readinessProbe.periodSeconds * readinessProbe.failureThreshold).toBe(10);
  }
});

helmTest("a stop leaves the Services first, then drains longer than the longest answer", () => {
  const manifests = render("values-production.yaml");
  for (const { name } of rows) {
    const deployment = find(manifests, "Deployment", `warmpath-${name}`);
    const { lifecycle, env } = containerOf(deployment);
    const drain = env.find((each) => each.name === "WARMPATH_DRAIN_MS")?.value;
    const drainSeconds = Number(drain) / 1000;
    expect(drainSeconds).toBeGreaterThan(290);
    expect(deployment.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(
      lifecycle.preStop.sleep.seconds + drainSeconds,
    );
  }
});

helmTest("workers are evicted by nobody unless they are not ready; others one at a time", () => {
  const manifests = render("values-production.yaml");
  for (const { name } of rows) {
    const { maxUnavailable, unhealthyPodEvictionPolicy } = find(
      manifests,
      "PodDisruptionBudget",
      `warmpath-${name}`,
    ).spec;
    expect([name, maxUnavailable, unhealthyPodEvictionPolicy]).toEqual([
      name,
      name === "orchestrator" ? 0 : 1,
      "AlwaysAllow",
    ]);
    const { annotations = {} } = find(manifests, "Deployment", `warmpath-${name}`).spec.template
      .metadata;
    const isKept = name === "orchestrator";
    expect(annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"]).toBe(
      isKept ? "false" : undefined,
    );
    expect(annotations["karpenter.sh/do-not-disrupt"]).toBe(isKept ? "true" : undefined);
  }
});

helmTest("interactive goes before standard before batch, which pushes nobody out", () => {
  const manifests = render("values-pilot.yaml");
  const classes = ["interactive", "standard", "batch"].map((name) =>
    find(manifests, "PriorityClass", `warmpath-${name}`),
  );
  const values = classes.map(({ value }) => value ?? 0);
  expect(values).toEqual([...values].sort((a, b) => b - a));
  expect(new Set(values).size).toBe(3);
  expect(classes.map(({ preemptionPolicy }) => preemptionPolicy)).toEqual([
    "PreemptLowerPriority",
    "PreemptLowerPriority",
    "Never",
  ]);
  const classOf = (name: string) =>
    find(manifests, "Deployment", `warmpath-${name}`).spec.template.spec.priorityClassName;
  expect(rows.map(({ name }) => [name, classOf(name)])).toEqual([
    ["gateway", "warmpath-interactive"],
    ["inference-proxy", "warmpath-interactive"],
    ["orchestrator", "warmpath-standard"],
    ["state", "warmpath-interactive"],
  ]);
});

helmTest("hosted providers and their keys are the table's, and of nobody else", () => {
  const provider = "anthropic key-file=/run/secrets/anthropic-api-key";
  for (const { name, keys = [], optional = [] } of rows) {
    // Hosted ones alone: no engine is named.
    const manifests = render(
      "values-pilot.yaml",
      ...["--set", "upstreams.urls=null,upstreams.statefulSets=null,vllm.enabled=false"],
      ...["--set", `services.inference-proxy.env.WARMPATH_PROVIDERS=${provider}`],
      ...["--set", `secret.providerKeys={${keys.length > 0 ? keys.join() : "anthropic-api-key"}}`],
    );
    const deployment = find(manifests, "Deployment", `warmpath-${name}`);
    const files = [...JSON.stringify(deployment).matchAll(/"path":"([\w-]+-api-key)"/g)];
    expect([name, files.map(([, path]) => path)]).toEqual([name, [...keys]]);
    const given = containerOf(deployment).env.find((each) => each.name === "WARMPATH_PROVIDERS");
    expect(given?.value).toBe(optional.includes("WARMPATH_PROVIDERS") ? provider : undefined);
  }
});

helmTest("classes that another release made are used and not made again", () => {
  const manifests = render("values-pilot.yaml", "--set", "priorityClasses.create=false");
  expect(manifests.filter(({ kind }) => kind === "PriorityClass")).toEqual([]);
  const { spec } = find(manifests, "Deployment", "warmpath-state").spec.template;
  expect(spec.priorityClassName).toBe("warmpath-interactive");
});

helmTest("who an autoscaler owns states no number, and others do", () => {
  const manifests = render(
    "values-pilot.yaml",
    "--set",
    "pooling.connectionsMax=0",
    "--set",
    "autoscaling.enabled=true",
  );
  const numbers = rows.map(({ name }) => [
    name,
    find(manifests, "Deployment", `warmpath-${name}`).spec.replicas,
  ]);
  expect(numbers).toEqual([
    ["gateway", 2],
    ["inference-proxy", undefined],
    ["orchestrator", undefined],
    ["state", 2],
  ]);
});

helmTest(
  "who speaks to PostgreSQL has the pool and the queue that were counted, and nobody else",
  () => {
    const manifests = render("values-production.yaml");
    for (const { name, stores } of rows) {
      const { env } = containerOf(find(manifests, "Deployment", `warmpath-${name}`));
      const given = (wanted: string) => env.find((each) => each.name === wanted)?.value;
      const isStateful = stores["postgres"] !== undefined;
      expect(given("WARMPATH_STATE_POOL_SIZE")).toBe(isStateful ? "4" : undefined);
      expect(given("WARMPATH_QUEUE_REPLICAS")).toBe(isStateful ? "3" : undefined);
    }
  },
);
