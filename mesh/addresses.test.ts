// Goal: a host that is an address is reached as one, in a mesh and by network policies, and none is taken for a name.
// What is refused: proofs/render/invalid. Skipped, with the reason printed, where there is no helm.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { chartDir, findHelm, helmMissing, renderChart } from "./helm.ts";

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly hosts?: readonly string[];
    readonly addresses?: readonly string[];
    readonly egress?: readonly {
      readonly hosts?: readonly string[];
      readonly to?: readonly object[];
      readonly ports?: readonly object[];
    }[];
  };
}

const hasHelm = findHelm() !== undefined;
if (!hasHelm) {
  process.stdout.write(`skipped: addresses.test.ts. ${helmMissing}\n`);
}
const helmTest = test.skipIf(!hasHelm);

function render(...args: readonly string[]): readonly Manifest[] {
  const production = ["-n", "warmpath", "-f", join(chartDir, "values-production.yaml")];
  const { stdout, stderr, exitCode } = renderChart([...production, ...args]) ?? {};
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  // Whatever helm printed; the assertions below look at each field that matters.
  return (Bun.YAML.parse(stdout ?? "") as (Manifest | null)[]).filter((each) => each !== null);
}

function named(manifests: readonly Manifest[], kind: string, name: string) {
  return manifests.find((each) => each.kind === kind && each.metadata.name === name)?.spec;
}

const engines = ["http://10.20.0.5:8000", "http://[2001:DB8::5]:8000/v1", "https://10.20.0.6"];
const upstreams = ["--set-json", `upstreams.urls=${JSON.stringify(engines)}`];

helmTest("Istio is given an address as an address, under a name that is made up", () => {
  const manifests = render(...upstreams);
  const entries = manifests.filter(
    ({ kind, spec }) => kind === "ServiceEntry" && spec.addresses !== undefined,
  );
  expect(entries.map(({ spec }) => spec)).toEqual([
    {
      exportTo: ["."],
      hosts: ["ip-10-20-0-5-8000.addresses.internal"],
      location: "MESH_EXTERNAL",
      addresses: ["10.20.0.5"],
      endpoints: [{ address: "10.20.0.5" }],
      resolution: "STATIC",
      ports: [{ number: 8000, name: "tcp-8000", protocol: "TCP" }],
    },
    expect.objectContaining({
      hosts: ["ip-10-20-0-6-443.addresses.internal"],
      addresses: ["10.20.0.6"],
    }),
    expect.objectContaining({
      hosts: ["ip-2001-db8--5-8000.addresses.internal"],
      addresses: ["2001:db8::5"],
      endpoints: [{ address: "2001:db8::5" }],
    }),
  ]);
  const known = named(manifests, "Sidecar", "warmpath-inference-proxy")?.egress?.[0]?.hosts ?? [];
  for (const { spec } of entries) {
    expect(known).toContain(`warmpath/${spec.hosts?.[0]}`);
  }
});

helmTest("no host of a ServiceEntry is an address", () => {
  const stores = ["egress.stores.postgres.host=10.30.0.7", "otlpUrl=http://10.30.0.8:4317"];
  for (const { kind, spec } of render(...upstreams, "--set", stores.join())) {
    if (kind === "ServiceEntry") {
      expect(spec.hosts?.join()).toMatch(/^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)+$/);
    }
  }
});

helmTest(
  "a network policy allows an address, private or not, on its port and nothing beside it",
  () => {
    const rules = named(render(...upstreams), "NetworkPolicy", "warmpath-inference-proxy")?.egress;
    for (const [cidr, port] of [
      ["10.20.0.5/32", 8000],
      ["2001:db8::5/128", 8000],
      ["10.20.0.6/32", 443],
    ] as const) {
      expect(rules).toContainEqual({
        to: [{ ipBlock: { cidr } }],
        ports: [{ port, protocol: "TCP" }],
      });
    }
  },
);

helmTest("a collector in the pod itself needs no way out", () => {
  const entries = render("--set", "otlpUrl=http://127.0.0.1:4317").filter(
    ({ kind }) => kind === "ServiceEntry",
  );
  expect(entries.length).toBeGreaterThan(0);
  expect(entries.filter(({ spec }) => spec.addresses !== undefined)).toEqual([]);
});
