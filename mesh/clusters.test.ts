// Goal: of two clusters each keeps its tenants and its record; what is shared is one service, and who
// comes to the wrong door is sent home. Rendered, not run. Skipped where there is no helm.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { chartDir, findHelm, helmMissing, renderChart } from "./helm.ts";

interface Manifest {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: { readonly name: string };
  // Of many kinds; each test asserts on the shape it expects.
  readonly spec: Readonly<Record<string, unknown>>;
}

const hasHelm = findHelm() !== undefined;
if (!hasHelm) {
  process.stdout.write(`skipped: clusters.test.ts. ${helmMissing}\n`);
}
const helmTest = test.skipIf(!hasHelm);

function render(...args: readonly string[]): readonly Manifest[] {
  const file = join(chartDir, "values-second-cluster.yaml");
  const { stdout, exitCode } = renderChart(["-n", "warmpath", "-f", file, ...args]) ?? {};
  expect(exitCode).toBe(0);
  return (Bun.YAML.parse(stdout ?? "") as (Manifest | null)[]).filter((each) => each !== null);
}

/** The one service that clusters share. */
const shared = "warmpath-inference-proxy";

helmTest(
  "the east-west gateway passes mutual TLS to the shared service and to nothing else",
  () => {
    const gateways = render().filter(
      ({ kind, apiVersion }) => kind === "Gateway" && apiVersion === "networking.istio.io/v1",
    );
    expect(gateways.map(({ spec }) => spec["servers"])).toEqual([
      [
        {
          port: { number: 15443, name: "tls", protocol: "TLS" },
          tls: { mode: "AUTO_PASSTHROUGH" },
          hosts: ["warmpath-inference-proxy.warmpath.svc.cluster.local"],
        },
      ],
    ]);
  },
);

helmTest("from the other cluster only calls of services come in", () => {
  const policy = render().find(
    ({ kind, metadata }) =>
      kind === "NetworkPolicy" && metadata.name === "warmpath-inference-proxy-east-west",
  );
  expect(policy?.spec["ingress"]).toMatchObject([{ ports: [{ port: 8711, protocol: "TCP" }] }]);
});

helmTest("own tenants are served by their names, and others' are sent to their cluster", () => {
  const routes = render().filter(({ kind }) => kind === "HTTPRoute");
  const gateway = routes.find(({ metadata }) => metadata.name === "warmpath-gateway");
  expect(gateway?.spec["hostnames"]).toEqual([
    "east.warmpath.example.com",
    "acme.warmpath.example.com",
  ]);
  const moved = routes.filter(({ metadata }) => metadata.name.startsWith("warmpath-home-"));
  expect(moved.map(({ spec }) => [spec["hostnames"], spec["rules"]])).toEqual([
    [
      ["globex.warmpath.example.com"],
      [
        {
          filters: [
            {
              type: "RequestRedirect",
              requestRedirect: {
                scheme: "https",
                hostname: "warmpath.example.com",
                statusCode: 307,
              },
            },
          ],
        },
      ],
    ],
  ]);
});

helmTest("every route of a tenant's name has its listener", () => {
  const manifests = render();
  const ingress = manifests.find(
    ({ kind, metadata }) => kind === "Gateway" && metadata.name === "warmpath-ingress",
  );
  const listeners = ingress?.spec["listeners"] as readonly { name: string; hostname: string }[];
  for (const { kind, spec } of manifests) {
    const parents = (kind === "HTTPRoute" ? spec["parentRefs"] : []) as { sectionName: string }[];
    for (const { sectionName } of parents) {
      const listener = listeners.find(({ name }) => name === sectionName);
      expect(spec["hostnames"]).toContain(listener?.hostname);
    }
  }
});

helmTest("a call stays in its own cluster while a pod is well there, zones or not", () => {
  const nearOf = (...args: string[]) =>
    render(...args)
      .filter(({ kind, metadata }) => kind === "DestinationRule" && metadata.name === shared)
      .map(({ spec }) => JSON.stringify(spec["trafficPolicy"]))
      .flatMap((policy) => [...policy.matchAll(/"topology\.([\w./]+)"/g)])
      .map(([, label]) => label);
  const zones = ["kubernetes.io/region", "kubernetes.io/zone"];
  expect(nearOf()).toEqual(["istio.io/cluster", ...zones]);
  expect(nearOf("--set", "mesh.locality=false")).toEqual(["istio.io/cluster"]);
  expect(nearOf("--set", "clusters.enabled=false")).toEqual(zones);
});

helmTest("one cluster alone renders nothing of it", () => {
  const names = render("--set", "clusters.enabled=false").map(({ metadata }) => metadata.name);
  expect(names.filter((name) => /east-west|home-|peers/.test(name))).toEqual([]);
});
