import type { KubeObject } from "../kube-object.ts";

interface PodSpec {
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext?: { runAsNonRoot?: boolean; seccompProfile?: { type?: string } };
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes?: readonly Readonly<Record<string, unknown>>[];
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly securityContext?: {
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly privileged?: boolean;
    readonly runAsNonRoot?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  };
  readonly resources?: {
    readonly requests?: Readonly<Record<string, unknown>>;
    readonly limits?: Readonly<Record<string, unknown>>;
  };
  readonly startupProbe?: unknown;
  readonly readinessProbe?: unknown;
  readonly livenessProbe?: unknown;
}

/** Kinds that a chart of services must not bring. */
const bannedKinds = new Map([
  ["CustomResourceDefinition", "CRDs belong to who defines them"],
  ["Secret", "secrets are made by whoever knows them"],
  ["StatefulSet", "databases are run by their operators, and nothing else here has state"],
  ["ClusterRole", "no service of ours asks the API server anything"],
  ["ClusterRoleBinding", "no service of ours asks the API server anything"],
]);

/** Volumes that the restricted pod security standard admits. */
const volumeKinds = new Set([
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
]);

/** What is wrong with a rendering, one sentence each; none when every rule holds. */
export function manifestFaults(manifests: readonly KubeObject[]): readonly string[] {
  return [
    ...manifests.flatMap(bannedKindFaults),
    ...duplicateFaults(manifests),
    ...manifests.flatMap(podFaults),
    ...scaledFaults(manifests),
    ...accountFaults(manifests),
  ];
}

function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.name}`;
}

function bannedKindFaults(manifest: KubeObject): readonly string[] {
  const why = bannedKinds.get(manifest.kind);
  return why === undefined ? [] : [`${nameOf(manifest)}: ${why}`];
}

function duplicateFaults(manifests: readonly KubeObject[]): readonly string[] {
  const seen = new Set<string>();
  return manifests.flatMap((each) => {
    const key = `${each.apiVersion} ${nameOf(each)} in ${each.metadata.namespace ?? "-"}`;
    const isSecond = seen.has(key);
    seen.add(key);
    return isSecond ? [`${nameOf(each)}: rendered twice`] : [];
  });
}

function podOf({ kind, spec }: KubeObject): PodSpec | undefined {
  if (kind !== "Deployment" && kind !== "Job" && kind !== "DaemonSet") {
    return undefined;
  }
  // A pod template, as the Kubernetes API defines it for these kinds.
  return (spec?.["template"] as { readonly spec?: PodSpec } | undefined)?.spec;
}

function podFaults(manifest: KubeObject): readonly string[] {
  const pod = podOf(manifest);
  if (pod === undefined) {
    return [];
  }
  const containers = [...(pod.initContainers ?? []), ...pod.containers];
  const faults = [
    pod.hostNetwork || pod.hostPID || pod.hostIPC ? "shares a namespace with its node" : undefined,
    pod.securityContext?.runAsNonRoot === true ? undefined : "runAsNonRoot is not set",
    pod.securityContext?.seccompProfile?.type === "RuntimeDefault"
      ? undefined
      : "no seccomp profile",
    pod.automountServiceAccountToken === false ? undefined : "mounts a token of the API server",
    ...(pod.volumes ?? []).flatMap((volume) =>
      Object.keys(volume)
        .filter((key) => key !== "name" && !volumeKinds.has(key))
        .map((key) => `volume of kind ${key}`),
    ),
    ...containers.flatMap(containerFaults),
    ...(manifest.kind === "Deployment" ? pod.containers.flatMap(probeFaults) : []),
  ];
  return faults.filter((each) => each !== undefined).map((each) => `${nameOf(manifest)}: ${each}`);
}

function containerFaults({ name, image, securityContext, resources }: Container): string[] {
  const faults = [
    /:[^/]+$|@sha256:/.test(image) && !image.endsWith(":latest") ? undefined : `image ${image}`,
    securityContext?.allowPrivilegeEscalation === false ? undefined : "may escalate privileges",
    securityContext?.readOnlyRootFilesystem === true ? undefined : "its root is writable",
    securityContext?.privileged === true ? "is privileged" : undefined,
    securityContext?.capabilities?.drop?.includes("ALL") ? undefined : "keeps capabilities",
    (securityContext?.capabilities?.add ?? []).length > 0 ? "adds capabilities" : undefined,
    resources?.requests?.["cpu"] === undefined ? "no CPU request" : undefined,
    resources?.requests?.["memory"] === undefined ? "no memory request" : undefined,
    resources?.limits?.["memory"] === undefined ? "no memory limit" : undefined,
  ];
  return faults.filter((each) => each !== undefined).map((each) => `${name}: ${each}`);
}

function probeFaults({ name, ...container }: Container): readonly string[] {
  const probes = ["startupProbe", "readinessProbe", "livenessProbe"] as const;
  return probes
    .filter((probe) => container[probe] === undefined)
    .map((probe) => `${name}: no ${probe}`);
}

/** Who is scaled must not state a number of its own: each apply would set it back. */
function scaledFaults(manifests: readonly KubeObject[]): readonly string[] {
  const scaled = manifests
    .filter(({ kind }) => kind === "ScaledObject" || kind === "HorizontalPodAutoscaler")
    .map(({ spec }) => spec?.["scaleTargetRef"] as { readonly name: string } | undefined);
  return scaled.flatMap((target) => {
    const found = manifests.find(
      ({ kind, metadata }) => kind === "Deployment" && metadata.name === target?.name,
    );
    if (found === undefined) {
      return [`an autoscaler's target ${target?.name} is not rendered`];
    }
    return found.spec?.["replicas"] === undefined
      ? []
      : [`${nameOf(found)}: states replicas, which an autoscaler owns`];
  });
}

function accountFaults(manifests: readonly KubeObject[]): readonly string[] {
  const accounts = new Set(
    manifests
      .filter(({ kind }) => kind === "ServiceAccount")
      .map(({ metadata: { name } }): string => name),
  );
  return manifests.flatMap((each) => {
    const account = podOf(each)?.serviceAccountName;
    return podOf(each) === undefined || (account !== undefined && accounts.has(account))
      ? []
      : [`${nameOf(each)}: its service account ${account} is not rendered`];
  });
}
