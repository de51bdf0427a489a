// Planted faults: what a person may well mistype, and the server's word against each.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chartDir } from "../../helm.ts";
import { type KubeObject, toYaml } from "../kube-object.ts";
import type { Kubectl } from "./kubectl.ts";
import { assert, at, type Check, type Lab, makeNamespace } from "./lab.ts";
import { installationNames, renderObjects } from "./rendered.ts";

const namespace = "refusals";

/** A fault in one object of the chart, and the refusal it must meet. */
interface Fault {
  readonly name: string;
  /** With its apiVersion: there are two kinds of Gateway. */
  readonly kind: string;
  /** The object with the fault in it. */
  plant(object: KubeObject): object;
  readonly refusal: RegExp;
}

const withSpec = (object: KubeObject, changes: object): object => ({
  ...object,
  spec: { ...object.spec, ...changes },
});

const faults: readonly Fault[] = [
  {
    name: "KEDA: a minimum above the maximum",
    kind: "keda.sh/v1alpha1 ScaledObject",
    plant: (object) => withSpec(object, { minReplicaCount: 9, maxReplicaCount: 3 }),
    refusal: /minReplicaCount must be less than or equal to maxReplicaCount/,
  },
  {
    name: "Gateway API: a backend that may take longer than the request",
    kind: "gateway.networking.k8s.io/v1 HTTPRoute",
    plant: (object) =>
      withSpec(object, {
        rules: [
          {
            timeouts: { request: "1s", backendRequest: "2s" },
            backendRefs: [{ name: "any", port: 80 }],
          },
        ],
      }),
    refusal: /backendRequest timeout cannot be longer than request timeout/,
  },
  {
    name: "Istio: an authorization that neither allows nor denies",
    kind: "security.istio.io/v1 AuthorizationPolicy",
    plant: (object) => withSpec(object, { action: "MAYBE" }),
    refusal: /Unsupported value: "MAYBE"/,
  },
  {
    name: "Istio: a mutual TLS mode that does not exist",
    kind: "security.istio.io/v1 PeerAuthentication",
    plant: (object) => withSpec(object, { mtls: { mode: "ALWAYS" } }),
    refusal: /Unsupported value: "ALWAYS"/,
  },
  {
    name: "Istio: a stream's timeout written as none",
    kind: "networking.istio.io/v1 VirtualService",
    plant: (object) =>
      withSpec(object, { http: [{ timeout: "0s", directResponse: { status: 200 } }] }),
    refusal: /must be a valid duration greater than 1ms/,
  },
  {
    name: "Gateway API: two listeners that are one",
    kind: "gateway.networking.k8s.io/v1 Gateway",
    plant: (object) => {
      const [listener] = at(object, "spec", "listeners") as readonly object[];
      return withSpec(object, { listeners: [listener, { ...listener, name: "again" }] });
    },
    refusal: /Combination of port, protocol and hostname must be unique/,
  },
  {
    name: "a class above those of the system",
    kind: "scheduling.k8s.io/v1 PriorityClass",
    plant: (object) => ({ ...object, metadata: { name: "above" }, value: 1_500_000_000 }),
    refusal: /maximum allowed value of a user defined priority/,
  },
  {
    name: "a budget with a minimum and a maximum",
    kind: "policy/v1 PodDisruptionBudget",
    plant: (object) => withSpec(object, { minAvailable: 1, maxUnavailable: 1 }),
    refusal: /minAvailable and maxUnavailable cannot be both set/,
  },
  {
    name: "a port above 65535",
    kind: "v1 Service",
    plant: (object) => withSpec(object, { ports: [{ name: "http", port: 70_000 }] }),
    refusal: /must be between 1 and 65535/,
  },
];

/** A misspelt field in every kind that the chart renders, and the table above. */
export const refusalChecks: readonly Check[] = [
  {
    name: "a misspelt field is refused in every kind that the chart renders",
    run: (lab) => inNamespace(lab, refuseMisspelt),
  },
  ...faults.map(
    (fault): Check => ({
      name: `refused: ${fault.name}`,
      run: (lab) => inNamespace(lab, (kubectl) => refuseFault(kubectl, fault)),
    }),
  ),
  {
    name: "refused: a pod that may become root",
    run: (lab) => inNamespace(lab, refuseRoot),
  },
];

async function inNamespace({ kubectl }: Lab, check: (kubectl: Kubectl) => Promise<void>) {
  await makeNamespace(kubectl, namespace);
  // Nothing is written into it: every call below is a dry run at the server.
  await check(kubectl);
}

async function refuseMisspelt(kubectl: Kubectl): Promise<void> {
  const unnoticed: string[] = [];
  const rendered = oneOfEachKind();
  const unseen = kindsOfTemplates().filter((kind) => !rendered.has(kind));
  assert(unseen.length === 0, `no values here make the chart render ${unseen.join(", ")}`);
  for (const [kind, object] of rendered) {
    // Below spec where there is one: that is where Istio's and KEDA's own schemas begin.
    const misspelt =
      object.spec === undefined ? { ...object, nmae: "x" } : withSpec(object, { nmae: "x" });
    const { exitCode, stderr } = await dryRun(kubectl, misspelt);
    if (exitCode === 0 || !/unknown field|field not declared in schema/.test(stderr)) {
      unnoticed.push(`${kind}: ${stderr.trim() || "taken"}`);
    }
  }
  assert(unnoticed.length === 0, `not refused for the field "nmae": ${unnoticed.join("; ")}`);
}

async function refuseFault(kubectl: Kubectl, fault: Fault): Promise<void> {
  const object = oneOfEachKind().get(fault.kind);
  assert(object !== undefined, `nothing renders a ${fault.kind}`);
  const sound = await dryRun(kubectl, object);
  assert(sound.exitCode === 0, `without the fault it is refused too: ${sound.stderr.trim()}`);
  const { exitCode, stderr } = await dryRun(kubectl, fault.plant(object));
  assert(exitCode !== 0, "it was taken");
  assert(fault.refusal.test(stderr), `refused for another reason: ${stderr.trim()}`);
}

async function refuseRoot(kubectl: Kubectl): Promise<void> {
  const deployment = oneOfEachKind().get("apps/v1 Deployment");
  const spec = at(deployment, "spec", "template", "spec") as Readonly<Record<string, unknown>>;
  const pod = (changes: object) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "root", namespace },
    // The account is made by a chart that is not installed here.
    spec: { ...spec, serviceAccountName: "default", priorityClassName: undefined, ...changes },
  });
  const sound = await dryRun(kubectl, pod({}));
  assert(sound.exitCode === 0, `without the fault it is refused too: ${sound.stderr.trim()}`);
  const securityContext = { runAsNonRoot: false, runAsUser: 0 };
  const { stderr } = await dryRun(kubectl, pod({ securityContext }));
  assert(/violates PodSecurity "restricted/.test(stderr), `not refused: ${stderr.trim()}`);
}

function dryRun(kubectl: Kubectl, object: object) {
  return kubectl.apply(toYaml([object]), "--dry-run=server", "--namespace", namespace);
}

/** Every kind that a template of the chart may render, by its text. */
function kindsOfTemplates(): readonly string[] {
  const templates = join(chartDir, "templates");
  const paths = readdirSync(templates, { recursive: true, encoding: "utf8" });
  const texts = paths
    .filter((path) => path.endsWith(".yaml"))
    .map((path) => readFileSync(join(templates, path), "utf8"));
  // Not indented: what is inside a ConfigMap is nobody's object.
  const kinds = texts.flatMap((text) => [...text.matchAll(/^apiVersion: (\S+)\nkind: (\w+)$/gm)]);
  return [...new Set(kinds.map(([, apiVersion, kind]) => `${apiVersion} ${kind}`))];
}

/** The first object of each kind that any installation renders, by apiVersion and kind. */
function oneOfEachKind(): ReadonlyMap<string, KubeObject> {
  const found = new Map<string, KubeObject>();
  for (const name of installationNames()) {
    for (const object of renderObjects(name, namespace)) {
      const kind = `${object.apiVersion} ${object.kind}`;
      if (!found.has(kind)) {
        found.set(kind, object);
      }
    }
  }
  return found;
}
