// Goal: what scales is scaled by numbers that exist, summed over all pods, of which none is taken for zero when it
// is missing; and whatever an autoscaler owns states no number of its own. KEDA itself is not run here. Skipped, with
// the reason printed, where there is no helm.

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chartDir, findHelm, helmMissing, renderChart } from "./helm.ts";
import { factsOf, type MetricLabels } from "./proofs/alerts/promql/labels.ts";
import { parseQuery } from "./proofs/alerts/promql/parse.ts";

interface Trigger {
  readonly type: string;
  readonly metricType: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly authenticationRef?: { readonly name: string };
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly replicas?: number;
    readonly scaleTargetRef: { readonly kind: string; readonly name: string };
    readonly minReplicaCount: number;
    readonly maxReplicaCount: number;
    readonly triggers: readonly Trigger[];
    readonly fallback: unknown;
    readonly advanced: {
      readonly horizontalPodAutoscalerConfig: { readonly behavior: unknown };
    };
    readonly secretTargetRef: unknown;
  };
}

const root = join(import.meta.dir, "..");

/** Keys of a trigger's metadata: those of KEDA 2.21, schema/generated/scalers-schema.json. */
const triggerKeys: Readonly<Record<string, readonly string[]>> = {
  prometheus: [
    "authModes",
    "authMode",
    "apiKey",
    "method",
    "keyParamName",
    "serverAddress",
    "query",
    "queryParameters",
    "threshold",
    "activationThreshold",
    "namespace",
    "customHeaders",
    "ignoreNullValues",
    "unsafeSsl",
    "awsRegion",
    "timeout",
    "identityOwner",
  ],
  "nats-jetstream": [
    "account",
    "accountID",
    "stream",
    "consumer",
    "lagThreshold",
    "activationLagThreshold",
    "useHttps",
    "natsServerMonitoringEndpoint",
  ],
};

/** Labels that Prometheus attaches to whatever its operator's monitors scrape. */
const attachedLabels = ["namespace", "pod"];

const hasHelm = findHelm() !== undefined;
if (!hasHelm) {
  process.stdout.write(`skipped: autoscaling.test.ts. ${helmMissing}\n`);
}
const helmTest = test.skipIf(!hasHelm);
const values = ["-n", "warmpath", "-f", join(chartDir, "values-multi-gpu.yaml")];

function render(...args: string[]): readonly Manifest[] {
  const { stdout, stderr, exitCode } = renderChart([...values, ...args]) ?? {};
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  // Whatever helm printed; the assertions below look at each field that matters.
  return (Bun.YAML.parse(stdout ?? "") as (Manifest | null)[]).filter((each) => each !== null);
}

function scaledOf(manifests: readonly Manifest[]): readonly Manifest[] {
  return manifests.filter(({ kind }) => kind === "ScaledObject");
}

/** Every metric that something of ours shows, with its labels, by docs/METRICS.md and the recorded vLLM. */
function knownMetrics(): MetricLabels {
  const known = new Map<string, ReadonlySet<string>>();
  const take = (name: string, type: string, own: readonly string[]) => {
    const labels = [...attachedLabels, ...own];
    known.set(name, new Set(labels));
    if (type === "histogram") {
      known.set(`${name}_bucket`, new Set([...labels, "le"]));
      known.set(`${name}_sum`, new Set(labels));
      known.set(`${name}_count`, new Set(labels));
    }
  };
  for (const line of readFileSync(join(root, "docs/METRICS.md"), "utf8").split("\n")) {
    const [, name, type, labels = ""] = /^\| `(\w+)` \| (\w+) \| ([^|]*) \|/.exec(line) ?? [];
    if (name !== undefined && type !== undefined) {
      take(
        name,
        type,
        [...labels.matchAll(/`(\w+)`/g)].flatMap(([, label]) => label ?? []),
      );
    }
  }
  // The simulated replica's families are those of the recorded vLLM 0.32.0, which its tests compare.
  const catalog = readFileSync(join(root, "benchmarks/replica/metrics/metric-catalog.ts"), "utf8");
  for (const [, name = "", type = ""] of catalog.matchAll(/name: "(vllm:\w+)",\s+type: "(\w+)"/g)) {
    take(name, type, ["engine", "model_name"]);
  }
  return known;
}

/** The stream that the code makes, and its consumers, which are called as the lanes. */
function queueOfCode(): { readonly stream: string; readonly consumers: readonly string[] } {
  const queue = readFileSync(join(root, "state/src/queue/nats-queue.ts"), "utf8");
  const types = readFileSync(join(root, "state/src/log/types.ts"), "utf8");
  const stream = /options\.name \?\? "(\w+)"/.exec(queue)?.[1] ?? "";
  const lanes = /laneNames: readonly LaneName\[\] = \[(.*)\]/.exec(types)?.[1] ?? "";
  const consumers = readFileSync(join(root, "state/src/queue/nats-stream.ts"), "utf8");
  expect(consumers).toContain("durable_name: lane,");
  return { stream, consumers: [...lanes.matchAll(/"(\w+)"/g)].flatMap(([, lane]) => lane ?? []) };
}

/** What is wrong with a trigger; nothing where it can be trusted with a number of pods. */
function triggerFaults({ type, metricType, metadata }: Trigger): readonly string[] {
  const faults = Object.keys(metadata)
    .filter((key) => triggerKeys[type]?.includes(key) !== true)
    .map((key) => `${type} has no ${key}`);
  if (type === "nats-jetstream") {
    const { stream = "", consumer = "" } = metadata;
    // KEDA before 2.21 takes a consumer that is not there for one that has acknowledged nothing.
    const code = queueOfCode();
    if (stream !== code.stream) faults.push(`the code has no stream ${stream}`);
    if (!code.consumers.includes(consumer)) faults.push(`no lane is called ${consumer}`);
    return faults;
  }
  const { query = "", ignoreNullValues } = metadata;
  if (ignoreNullValues !== "false") faults.push("no data would be zero");
  if (metricType !== (query.includes("histogram_quantile") ? "Value" : "AverageValue")) {
    faults.push(`${metricType} does not fit what is asked`);
  }
  const { labels, faults: dangling } = factsOf(parseQuery(query), knownMetrics());
  if (labels.size > 0) faults.push("may give several series");
  return [...faults, ...dangling];
}

helmTest(
  "workers are scaled by each lane's lag, the queue's depth and what they have claimed",
  () => {
    const object = scaledOf(render()).find(
      ({ metadata }) => metadata.name === "warmpath-orchestrator",
    );
    const triggers = object?.spec.triggers ?? [];
    expect(
      triggers.map(({ type, metadata }) => [type, metadata["consumer"] ?? metadata["query"]]),
    ).toEqual([
      ["nats-jetstream", "interactive"],
      ["nats-jetstream", "standard"],
      ["nats-jetstream", "batch"],
      ["prometheus", 'sum(max by (lane) (warmpath_state_queue_depth{namespace="warmpath"}))'],
      ["prometheus", 'sum(warmpath_orchestrator_runs_active{namespace="warmpath"})'],
    ]);
  },
);

helmTest(
  "proxies are scaled by their streams, engines by what waits, tokens and first tokens",
  () => {
    const objects = scaledOf(render());
    const metricsOf = (name: string) =>
      objects
        .find(({ metadata }) => metadata.name === name)
        ?.spec.triggers.map(
          ({ metadata }) => /(?:vllm:|warmpath_)\w+/.exec(metadata["query"] ?? "")?.[0],
        );
    expect(metricsOf("warmpath-inference-proxy")).toEqual([
      "warmpath_inference_proxy_replica_in_flight",
    ]);
    for (const name of ["t4", "l4", "a100-slice", "h100", "h200"]) {
      expect(metricsOf(`warmpath-vllm-${name}`)).toEqual([
        "vllm:num_requests_waiting",
        "vllm:generation_tokens_total",
        "vllm:time_to_first_token_seconds_bucket",
      ]);
    }
  },
);

helmTest("every trigger asks for one number that exists, by keys that KEDA knows", () => {
  const triggers = scaledOf(render()).flatMap(({ spec }) => spec.triggers);
  expect(triggers.length).toBeGreaterThan(20);
  expect(triggers.flatMap(triggerFaults)).toEqual([]);
});

describe("a trigger that cannot be trusted is found", () => {
  const good: Trigger = {
    type: "prometheus",
    metricType: "AverageValue",
    metadata: { query: "sum(vllm:num_requests_waiting)", ignoreNullValues: "false" },
  };
  const lag: Trigger = {
    type: "nats-jetstream",
    metricType: "AverageValue",
    metadata: { stream: "WARMPATH", consumer: "interactive" },
  };
  const faulty: readonly [why: string, base: Trigger, change: Readonly<Record<string, string>>][] =
    [
      ["no data would be zero", good, { ignoreNullValues: "true" }],
      ["may give several series", good, { query: "vllm:num_requests_waiting" }],
      ["may give several series", good, { query: "sum by (pod) (vllm:num_requests_waiting)" }],
      ["may give several series", good, { query: "rate(vllm:generation_tokens_total[2m])" }],
      ["may give several series", good, { query: "topk(3, vllm:num_requests_waiting)" }],
      ["no vllm:requests_waiting is exposed", good, { query: "sum(vllm:requests_waiting)" }],
      [
        "vllm:num_requests_waiting has no label lane",
        good,
        { query: 'sum(vllm:num_requests_waiting{lane="batch"})' },
      ],
      ["prometheus has no treshold", good, { treshold: "3" }],
      ["the code has no stream warmpath", lag, { stream: "warmpath" }],
      ["no lane is called workers", lag, { consumer: "workers" }],
    ];
  for (const [why, base, change] of faulty) {
    test(`${why}: ${Object.values(change).join()}`, () => {
      expect(triggerFaults(base)).toEqual([]);
      const planted = { ...base, metadata: { ...base.metadata, ...change } };
      expect(triggerFaults(planted)).toEqual([why]);
    });
  }
});

helmTest("up at once, down late and one by one, and never down for want of data", () => {
  for (const { spec } of scaledOf(render())) {
    expect(spec.advanced.horizontalPodAutoscalerConfig.behavior).toMatchObject({
      scaleUp: { stabilizationWindowSeconds: 0, selectPolicy: "Max" },
      scaleDown: { policies: [{ type: "Pods", value: 1 }] },
    });
    expect(spec.fallback).toMatchObject({
      failureThreshold: 3,
      behavior: "currentReplicasIfHigher",
    });
    expect(spec.minReplicaCount).toBeGreaterThan(0);
    expect(spec.maxReplicaCount).toBeGreaterThan(spec.minReplicaCount);
  }
});

helmTest("what is scaled states no number of pods, and what is not scaled does", () => {
  const manifests = render("--set", "autoscaling.inference-proxy.enabled=false");
  const scaled = scaledOf(manifests).map(({ spec }) => spec.scaleTargetRef.name);
  const deployments = manifests.filter(({ kind }) => kind === "Deployment");
  for (const { metadata, spec } of deployments) {
    expect([metadata.name, spec.replicas === undefined]).toEqual([
      metadata.name,
      scaled.includes(metadata.name),
    ]);
  }
  expect(scaled).not.toContain("warmpath-inference-proxy");
  expect(scaledOf(render("--set", "autoscaling.enabled=false"))).toEqual([]);
});

test("every number that scales has its reason above it", () => {
  const text = readFileSync(join(chartDir, "values.yaml"), "utf8");
  const block = /\nautoscaling:\n(.*?)\n\n/s.exec(text)?.[1] ?? "";
  const lines = block.split("\n");
  const numbered = lines.flatMap((line, at) => (/\d/.test(line.replace(/#.*/, "")) ? at : []));
  expect(numbered.length).toBeGreaterThan(10);
  const unexplained = numbered.filter((at) => !/^\s+#/.test(lines[at - 1] ?? ""));
  expect(unexplained.map((at) => lines[at]?.trim())).toEqual([]);
});

helmTest("a class is told from one whose name begins with its own", () => {
  const queries = scaledOf(render())
    .filter(({ metadata }) => metadata.name === "warmpath-vllm-a100-slice")
    .flatMap(({ spec }) => spec.triggers.map(({ metadata }) => metadata["query"] ?? ""));
  const pattern = /pod=~"([^"]+)"/.exec(queries[0] ?? "")?.[1] ?? "";
  const pods = new RegExp(`^(?:${pattern})$`);
  expect(pods.test("warmpath-vllm-a100-slice-7d9f8c6b5d-x2x9k")).toBe(true);
  const shorter = new RegExp(`^(?:${pattern.replace("-slice", "")})$`);
  expect(shorter.test("warmpath-vllm-a100-slice-7d9f8c6b5d-x2x9k")).toBe(false);
  expect(shorter.test("warmpath-vllm-a100-7d9f8c6b5d-x2x9k")).toBe(true);
});

helmTest("KEDA proves who it is with an existing Secret, where Prometheus asks for it", () => {
  const manifests = render(
    "--set",
    "autoscaling.prometheus.auth=bearer,autoscaling.prometheus.secret=keda-token",
  );
  const authentication = manifests.find(({ kind }) => kind === "TriggerAuthentication");
  expect(authentication?.spec.secretTargetRef).toEqual([
    { parameter: "bearerToken", name: "keda-token", key: "bearerToken" },
  ]);
  const asked = scaledOf(manifests)
    .flatMap(({ spec }) => spec.triggers)
    .filter(({ type }) => type === "prometheus");
  for (const { authenticationRef, metadata } of asked) {
    expect(metadata["authModes"]).toBe("bearer");
    expect(authenticationRef?.name).toBe(authentication?.metadata.name ?? "");
  }
});
