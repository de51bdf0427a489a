import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chartDir } from "../../helm.ts";
import { type Destination, destinationsOf } from "./cells.ts";

/** A way to render the chart, and the folder's name that the Go side finds it by. */
export interface Variant {
  readonly name: string;
  /** Value files of the chart, the later over the earlier. */
  readonly files: readonly string[];
  readonly args?: readonly string[];
  /** Values of istiod's chart besides mesh-config.yaml. */
  readonly istiod?: string;
}

/** What a variant's values say that no rendered document does. */
export interface Setting {
  readonly mode: "sidecar" | "ambient";
  readonly destinations: readonly Destination[];
  /** Where there are other clusters: `clusters` of the chart's values. */
  readonly clusters: Clusters | null;
}

interface Clusters {
  readonly name: string;
  readonly network: string;
  readonly peers: readonly Peer[];
  readonly homes: readonly { readonly hostname: string; readonly cluster: string }[];
  readonly shared: readonly string[];
  readonly eastWest: { readonly port: number };
}

interface Peer {
  readonly name: string;
  readonly network: string;
  readonly hostname: string;
  readonly addresses: readonly string[];
}

type Values = Parameters<typeof destinationsOf>[0] & {
  readonly mesh: { readonly mode: Setting["mode"] };
  readonly ingress: { readonly hostname: string };
  readonly clusters: Clusters & { readonly enabled: boolean };
};

/** The chart's value file for a mesh; every variant begins with it. */
export const productionPath = join(chartDir, "values-production.yaml");

const istiodDir = join(import.meta.dir, "../../istio");

/** Values of Istio's own chart; of interest here is what it says of the mesh as a whole. */
export const meshConfigPath = join(istiodDir, "mesh-config.yaml");

/** A canary's share of 100 calls: of what clients see, and of what that stands on. */
export const canaryShare = { gateway: 10, "inference-proxy": 25, state: 5 };

const canaries = Object.entries(canaryShare).flatMap(([name, weight]) => [
  "--set",
  `canary.${name}.enabled=true,canary.${name}.weight=${weight},canary.${name}.tag=0.2.0`,
]);

const over = (name: string) => [productionPath, join(chartDir, `values-${name}.yaml`)];

/** Every way that the chart is looked at, production the first. */
export const variants: readonly Variant[] = [
  { name: "production", files: [productionPath] },
  { name: "engines", files: over("multi-gpu") },
  { name: "canary", files: [productionPath], args: canaries },
  {
    name: "second-cluster",
    files: over("second-cluster"),
    istiod: join(istiodDir, "two-clusters.yaml"),
  },
  { name: "ambient", files: over("ambient") },
];

/** What `helm template` takes after the chart. */
export function argsOf({ files, args = [] }: Variant): readonly string[] {
  return ["-n", "warmpath", ...files.flatMap((file) => ["-f", file]), ...args];
}

/** What the values of a variant say; `storePorts` stands in for stores without a port. */
export function settingOf(
  variant: Variant,
  storePorts: Readonly<Record<string, readonly number[]>>,
): Setting {
  const values = valuesOf(variant);
  const { enabled, name, network, peers, homes, shared, eastWest } = values.clusters;
  return {
    mode: values.mesh.mode,
    destinations: destinationsOf(values, storePorts),
    clusters: enabled
      ? { name, network, peers, homes, shared, eastWest: { port: eastWest.port } }
      : null,
  };
}

/** The first of the other clusters, with the keys turned round; undefined where there is none. */
export function turnedRound(variant: Variant): Variant | undefined {
  const { clusters, ingress } = valuesOf(variant);
  const [peer] = clusters.peers;
  if (!clusters.enabled || peer === undefined) {
    return undefined;
  }
  const { name, network, homes, shared, eastWest } = clusters;
  // An address of another range that is kept for documents.
  const self = { name, network, hostname: ingress.hostname, addresses: ["198.51.100.7/32"] };
  const turned = {
    ...{ enabled: true, name: peer.name, network: peer.network, peers: [self] },
    ...{ homes, shared, eastWest },
  };
  return {
    name: peer.name,
    files: variant.files,
    args: [
      "--set",
      `ingress.hostname=${peer.hostname}`,
      "--set-json",
      `clusters=${JSON.stringify(turned)}`,
    ],
  };
}

/** meshConfig of a variant as YAML, of which JSON is a part. */
export function meshConfigOf({ istiod }: Variant): string {
  const { meshConfig } = merged([meshConfigPath, ...(istiod === undefined ? [] : [istiod])]);
  if (meshConfig === undefined) {
    throw new Error(`${meshConfigPath} has no meshConfig`);
  }
  return JSON.stringify(meshConfig);
}

function valuesOf({ files }: Variant): Values {
  // The schema refuses a values file of another shape.
  return merged([join(chartDir, "values.yaml"), ...files]) as unknown as Values;
}

type Mapping = Readonly<Record<string, unknown>>;

function merged(paths: readonly string[]): Mapping {
  return paths
    .map((path) => Bun.YAML.parse(readFileSync(path, "utf8")) as Mapping)
    .reduce(laidOver);
}

/** As Helm does it: mappings are joined, anything else is replaced. */
function laidOver(below: Mapping, above: Mapping): Mapping {
  const both = Object.entries(above).map(([key, value]) => {
    const under = below[key];
    return [key, isMapping(value) && isMapping(under) ? laidOver(under, value) : value];
  });
  return { ...below, ...Object.fromEntries(both) };
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
