// Goal: the chart renders what the table says, and refuses what would fail later. Skipped, with the
// reason printed, where there is no helm; the copy of the table inside the chart is checked in
// services.test.ts.

import { expect, test } from "bun:test";
import { findHelm, helmMissing, lintChart, renderChart } from "./helm.ts";
import { readServiceTable, variablesOf } from "./service-table.ts";

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Record<string, unknown>;
}

interface Pod {
  readonly containers: readonly Container[];
  readonly terminationGracePeriodSeconds: number;
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly securityContext: Record<string, unknown>;
}

const hasHelm = findHelm() !== undefined;
if (!hasHelm) {
  process.stdout.write(`skipped: chart.test.ts. ${helmMissing}\n`);
}
const helmTest = test.skipIf(!hasHelm);
const engine = ["--set", "upstreams.urls={http://engine.example:8000}"];
const rows = readServiceTable();

function render(...args: string[]): readonly Manifest[] {
  const { stdout, stderr, exitCode } = renderChart([...engine, ...args]) ?? {};
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  // Whatever helm printed; the assertions below look at each field that matters.
  return (Bun.YAML.parse(stdout ?? "") as (Manifest | null)[]).filter((each) => each !== null);
}

function podOf(manifests: readonly Manifest[], name: string): Pod {
  const found = manifests.find((each) => each.kind === "Deployment" && each.metadata.name === name);
  const template = found?.spec["template"] ?? { spec: { containers: [] } };
  // A Deployment's template, as the Kubernetes API defines it.
  return (template as { spec: Pod }).spec;
}

helmTest("the chart passes the strict lint", () => {
  expect(lintChart(engine)?.exitCode).toBe(0);
});

helmTest("each service of the table has its five objects, ports, arguments and variables", () => {
  const manifests = render("--set", "secret.optionalKeys={dev-key,upstream-api-key}");
  for (const row of rows) {
    const name = `warmpath-${row.name}`;
    const kinds = manifests.filter((each) => each.metadata.name === name).map(({ kind }) => kind);
    expect(kinds.sort()).toEqual([
      "Deployment",
      "PodDisruptionBudget",
      "Service",
      "ServiceAccount",
    ]);
    const [container] = podOf(manifests, name).containers;
    expect(container?.args).toEqual(row.args);
    expect(container?.ports).toEqual([
      { name: "http", containerPort: row.http },
      { name: "grpc", containerPort: row.grpc },
    ]);
    const given = container?.env.map((each) => each.name.replace(/_FILE$/, "")) ?? [];
    expect(variablesOf(row).filter((each) => !given.includes(each))).toEqual([]);
  }
});

helmTest("every port of every Service declares its protocol", () => {
  for (const { kind, spec } of render()) {
    if (kind === "Service") {
      const protocols = (spec["ports"] as { name: string; appProtocol: string }[]).map(
        ({ name, appProtocol }) => [name, appProtocol],
      );
      expect(protocols).toEqual([
        ["http", "http"],
        ["grpc", "grpc"],
      ]);
    }
  }
});

helmTest("every container meets the restricted pod security standard, on a read-only root", () => {
  const manifests = render();
  for (const { name } of rows) {
    expect(podOf(manifests, `warmpath-${name}`)).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      containers: [
        {
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
          },
        },
      ],
    });
  }
});

helmTest("engines behind a headless Service are addressed pod by pod", () => {
  const sets = '[{"name":"vllm","service":"vllm","namespace":"ml","port":8000,"replicas":2}]';
  const manifests = render("--set-json", `upstreams.statefulSets=${sets}`);
  const [proxy] = podOf(manifests, "warmpath-inference-proxy").containers;
  expect(proxy?.env.find(({ name }) => name === "WARMPATH_UPSTREAM")?.value).toBe(
    "http://engine.example:8000,http://vllm-0.vllm.ml.svc:8000,http://vllm-1.vllm.ml.svc:8000",
  );
});

helmTest("a pod is killed only after its drain is over", () => {
  const manifests = render("--set", "drainSeconds=300");
  for (const { name } of rows) {
    const pod = podOf(manifests, `warmpath-${name}`);
    const drain = pod.containers[0]?.env.find((each) => each.name === "WARMPATH_DRAIN_MS")?.value;
    expect(drain).toBe("300000");
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(300 + 5);
  }
});

helmTest("rendering twice gives the same bytes", () => {
  expect(renderChart(engine)?.stdout).toBe(renderChart(engine)?.stdout ?? "");
});

const refused: readonly [why: string, args: readonly string[], sentence: RegExp][] = [
  ["an unknown key", ["--set", "replicas=3"], /additional properties 'replicas'/],
  ["an unknown service", ["--set", "services.cache.replicas=1"], /'cache' not allowed/],
  ["an unknown key of a service", ["--set", "services.state.cpu=1"], /'cpu' not allowed/],
  ["the tag latest", ["--set", "image.tag=latest"], /image\/tag/],
  ["a tag inside the repository", ["--set", "image.repository=warmpath:1"], /image\/repository/],
  ["a digest that is none", ["--set", "image.digest=sha256:12"], /image\/digest/],
  ["no pod at all", ["--set", "services.gateway.replicas=0"], /services\/gateway\/replicas/],
  ["an address without a scheme", ["--set", "upstreams.urls={vllm:8000}"], /upstreams\/urls/],
  ["a level that does not exist", ["--set", "logLevel=trace"], /logLevel/],
  ["a drain of no length", ["--set", "drainSeconds=0"], /drainSeconds/],
  ["a secret key that nobody reads", ["--set", "secret.optionalKeys={token}"], /optionalKeys/],
  ["no engine at all", ["--set", "upstreams.urls=null"], /name at least one engine/],
];

for (const [why, args, sentence] of refused) {
  helmTest(`refuses ${why}`, () => {
    const result = renderChart([...engine, ...args]);
    expect(result?.exitCode).not.toBe(0);
    expect(result?.stderr).toMatch(sentence);
  });
}
