// Goal: what an operator may install renders by the rules, and what would fail later is refused now,
// each for its own reason. Skipped, with the reason printed, where there is no helm.

import { beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chartDir, findHelm, helmMissing, renderAsGiven } from "../../helm.ts";
import type { KubeObject } from "../kube-object.ts";
import { manifestFaults } from "./manifest-rules.ts";
import { installationFaults, inTurn, invalidCasesMin, validCaseFaults } from "./step.ts";
import { yamlFaults } from "./strict-yaml.ts";
import { installations, invalidCases, refusalFault, validCases } from "./value-files.ts";

const hasHelm = findHelm() !== undefined;
if (!hasHelm) {
  process.stdout.write(`skipped: render.test.ts. ${helmMissing}\n`);
}
const helmTest = test.skipIf(!hasHelm);

const valid = installations();
const once = validCases();
const invalid = invalidCases();
/** What was found in each, by name. */
const faults = new Map<string, readonly string[]>();

// All at once, a few at a time: one by one they would take as long as everything else here.
beforeAll(async () => {
  if (!hasHelm) return;
  const rendered = await inTurn(valid, installationFaults);
  const right = await inTurn(once, validCaseFaults);
  const refused = await inTurn(invalid, refusalFault);
  once.forEach(({ name }, at) => void faults.set(name, right[at] ?? []));
  valid.forEach(({ name }, at) => void faults.set(name, rendered[at] ?? []));
  invalid.forEach(({ name }, at) => {
    const fault = refused[at];
    faults.set(name, fault === undefined ? [] : [fault]);
  });
}, 110_000);

for (const { name } of valid) {
  helmTest(`${name} renders, twice the same, by the rules`, () => {
    expect(faults.get(name)).toEqual([]);
  });
}

for (const { name } of once) {
  helmTest(`${name} renders as it says`, () => {
    expect(faults.get(name)).toEqual([]);
  });
}

for (const { name } of invalid) {
  helmTest(`refuses ${name}`, () => {
    expect(faults.get(name)).toEqual([]);
  });
}

test("no value file says a key twice, of which helm would take the last unseen", () => {
  for (const { name, files } of installations()) {
    for (const file of files) {
      expect([name, yamlFaults(readFileSync(file, "utf8"))]).toEqual([name, []]);
    }
  }
});

const twice = [
  ["of a block", "a: 1\nb: 2\n---\na: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n"],
  ["on one line", "labels: { a: 1, b: 2, a: 3 }\n"],
  ["once with quotes", 'labels:\n  a: 1\n  "a": 2\n'],
] as const;

for (const [where, text] of twice) {
  test(`a key that a mapping has twice is found: ${where}`, () => {
    expect(yamlFaults(text)).toEqual([expect.stringMatching(/keys must be unique at line \d+/)]);
  });
}

test("the corpus of invalid values does not shrink", () => {
  expect(invalidCases().length).toBeGreaterThanOrEqual(invalidCasesMin);
});

helmTest("production is refused as long as its image is the place holder", () => {
  const result = renderAsGiven(["-f", join(chartDir, "values-production.yaml")]);
  expect(result?.exitCode).not.toBe(0);
  expect(result?.stderr).toMatch(/image\.digest is a place holder.*docker push/);
});

const account: KubeObject = {
  apiVersion: "v1",
  kind: "ServiceAccount",
  metadata: { name: "warmpath-state" },
};

function deployment(container: object, pod: object = {}, spec: object = {}): KubeObject {
  const good = {
    name: "state",
    image: "warmpath:0.1.0",
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    resources: { requests: { cpu: "1", memory: "1Gi" }, limits: { memory: "1Gi" } },
    startupProbe: {},
    readinessProbe: {},
    livenessProbe: {},
  };
  const template = {
    spec: {
      serviceAccountName: "warmpath-state",
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      containers: [{ ...good, ...container }],
      ...pod,
    },
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "warmpath-state" },
    spec: { template, ...spec },
  };
}

test("the rules pass what is right", () => {
  expect(manifestFaults([account, deployment({})])).toEqual([]);
});

const scaler: KubeObject = {
  apiVersion: "keda.sh/v1alpha1",
  kind: "ScaledObject",
  metadata: { name: "warmpath-state" },
  spec: { scaleTargetRef: { name: "warmpath-state" } },
};

const planted: readonly [fault: string, manifests: readonly KubeObject[], sentence: RegExp][] = [
  ["a tag that moves", [account, deployment({ image: "warmpath:latest" })], /latest/],
  ["an image without a tag", [account, deployment({ image: "a.example:5000/w" })], /image/],
  ["no memory limit", [account, deployment({ resources: {} })], /no memory limit/],
  ["no readiness", [account, deployment({ readinessProbe: undefined })], /no readinessProbe/],
  ["a writable root", [account, deployment({ securityContext: {} })], /root is writable/],
  ["the node's network", [account, deployment({}, { hostNetwork: true })], /its node/],
  [
    "a folder of the node",
    [account, deployment({}, { volumes: [{ name: "x", hostPath: {} }] })],
    /hostPath/,
  ],
  ["an account that is not there", [deployment({})], /service account/],
  ["an object twice", [account, account], /rendered twice/],
  ["a database", [{ ...account, kind: "StatefulSet" }], /operators/],
  ["a secret", [{ ...account, kind: "Secret" }], /secrets are made/],
  [
    "a number beside an autoscaler",
    [account, scaler, deployment({}, {}, { replicas: 2 })],
    /autoscaler owns/,
  ],
  ["an autoscaler of nothing", [scaler], /is not rendered/],
];

for (const [fault, manifests, sentence] of planted) {
  test(`the rules find ${fault}`, () => {
    expect(manifestFaults(manifests).join("\n")).toMatch(sentence);
  });
}
