// Goal: network policies leave no pod without what it stands on, wherever that is, and object names are told apart.
// Skipped, with the reason printed, where there is no helm.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { chartDir, findHelm, helmBeside, helmMissing, withImage } from "./helm.ts";

interface Rule {
  readonly to?: readonly object[];
  readonly from?: readonly object[];
  readonly ports: readonly { readonly port: number; readonly protocol: string }[];
}

interface Policy {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: { readonly ingress?: readonly Rule[]; readonly egress?: readonly Rule[] };
}

const hasHelm = findHelm() !== undefined;
if (!hasHelm) {
  process.stdout.write(`skipped: network-policy.test.ts. ${helmMissing}\n`);
}
const helmTest = test.skipIf(!hasHelm);

function template(release: string, files: readonly string[], ...args: readonly string[]) {
  const given = files.flatMap((name) => ["-f", join(chartDir, `values-${name}.yaml`)]);
  const all = ["-n", "warmpath", ...withImage(given), ...args];
  return helmBeside(["template", release, chartDir, ...all]);
}

async function policyOf(name: string, files: readonly string[], ...args: readonly string[]) {
  const { stdout, stderr } = (await template("warmpath", files, ...args)) ?? {};
  expect(stderr).toBe("");
  // Whatever helm printed; each field that a test uses is asserted on.
  const found = (Bun.YAML.parse(stdout ?? "") as (Policy | null)[]).find(
    (each) => each?.kind === "NetworkPolicy" && each.metadata.name === `warmpath-${name}`,
  );
  if (!found) {
    throw new Error(`there is no NetworkPolicy ${name}`);
  }
  return found.spec;
}

function opensTo({ egress = [] }: Policy["spec"], port: number) {
  return egress.filter(({ ports }) => ports.some((each) => each.port === port));
}

helmTest(
  "a store in the release's own namespace is reached, and engines by their label",
  async () => {
    const host = "egress.stores.postgres.host=warmpath-postgres-rw.warmpath.svc";
    const state = await policyOf("state", ["production"], "--set", host);
    expect(opensTo(state, 5432)).toMatchObject([{ to: [{ podSelector: {} }] }]);
    const proxy = await policyOf("inference-proxy", ["production", "multi-gpu"]);
    const engines = {
      podSelector: {
        matchLabels: {
          "app.kubernetes.io/name": "vllm",
          "app.kubernetes.io/instance": "warmpath",
        },
      },
    };
    expect(opensTo(proxy, 8000).map(({ to }) => to)).toEqual([[engines]]);
  },
);

helmTest("a managed store in a private subnet is reached, on its port alone", async () => {
  const args = [
    "--set-json",
    'egress.stores.postgres={"host":"db.example.com","port":5433}',
    "--set",
    "networkPolicy.hostAddresses={10.9.0.0/24}",
  ];
  const state = await policyOf("state", ["production"], ...args);
  expect(opensTo(state, 5433).flatMap(({ to }) => to ?? [])).toMatchObject([
    { ipBlock: { cidr: "0.0.0.0/0", except: expect.arrayContaining(["10.0.0.0/8"]) } },
    { ipBlock: { cidr: "10.9.0.0/24" } },
  ]);
  expect(JSON.stringify(state).split("10.9.0.0/24")).toHaveLength(2);
});

helmTest("names are looked up over UDP and TCP, wherever a cluster answers", async () => {
  const args = "networkPolicy.dnsPorts={53,5353},networkPolicy.dnsAddresses={169.254.20.10/32}";
  const { egress } = await policyOf("base", ["production"], "--set", args);
  expect(egress?.[0]).toEqual({
    to: [
      {
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
      } as object,
      { ipBlock: { cidr: "169.254.20.10/32" } },
    ],
    ports: [53, 5353].flatMap((port) => ["UDP", "TCP"].map((protocol) => ({ port, protocol }))),
  });
});

helmTest(
  "in ambient mode the waypoint's spans reach the collector, as the ingress's do",
  async () => {
    for (const name of ["ingress", "waypoint"]) {
      const policy = await policyOf(name, ["production", "ambient"]);
      expect(opensTo(policy, 4317).flatMap(({ to }) => to)).toEqual([
        {
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "observability" } },
        },
      ]);
    }
  },
);

helmTest("in ambient mode the kubelet's probes reach engines too", async () => {
  const { ingress } = await policyOf("vllm", ["production", "multi-gpu", "ambient"]);
  expect(ingress?.[0]).toMatchObject({
    from: [{ ipBlock: { cidr: "169.254.7.127/32" } }],
    ports: [{ port: 8000 }],
  });
});

helmTest(
  "a release whose names would be cut, and so taken for each other, is refused",
  async () => {
    const long = await template("a".repeat(48), ["pilot"]);
    expect(long?.stderr).toContain("the release's name is too long");
    expect((await template("a".repeat(47), ["pilot"]))?.exitCode).toBe(0);
    // Pods' names are cut earlier than their Deployment's.
    const scaled = await template("a".repeat(31), ["production", "multi-gpu"]);
    expect(scaled?.stderr).toContain("the queries do not find them");
  },
);
