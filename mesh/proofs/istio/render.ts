import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chartDir, renderChart } from "../../helm.ts";
import { destinationsOf, flattenMatrix } from "./cells.ts";

/** A way to render the chart, and the folder's name that the Go side finds it by. */
interface Variant {
  readonly name: string;
  readonly args: readonly string[];
}

const valuesPath = join(chartDir, "values-production.yaml");
const production = ["-n", "warmpath", "-f", valuesPath];

/** A canary's share of 100 calls: of what clients see, and of what that stands on. */
const canaryShare = { gateway: 10, "inference-proxy": 25, state: 5 };

const canaries = Object.entries(canaryShare).flatMap(([name, weight]) => [
  "--set",
  `canary.${name}.enabled=true,canary.${name}.weight=${weight},canary.${name}.tag=0.2.0`,
]);

const variants: readonly Variant[] = [
  { name: "production", args: production },
  { name: "engines", args: [...production, "-f", join(chartDir, "values-multi-gpu.yaml")] },
  { name: "canary", args: [...production, ...canaries] },
];

/** Values of Istio's own chart; of interest here is what it says of the mesh as a whole. */
const meshConfigPath = join(import.meta.dir, "../../istio/mesh-config.yaml");

/**
 * Renders the chart into `folder` for the Go side: matrix.json, mesh.yaml, and of each variant
 * k8s.yaml, istio.yaml and gateway.yaml. Gives the kinds that istiod does not read: left out.
 */
export function renderForGo(folder: string): readonly string[] {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "matrix.json"), JSON.stringify(tables()));
  writeFileSync(join(folder, "mesh.yaml"), meshConfig());
  const dropped = new Set<string>();
  for (const { name, args } of variants) {
    const rendered = renderChart(args);
    if (rendered === undefined || rendered.exitCode !== 0) {
      throw new Error(`helm template ${args.join(" ")}: ${rendered?.stderr ?? "no helm"}`);
    }
    mkdirSync(join(folder, name), { recursive: true });
    for (const [file, documents] of splitByReader(rendered.stdout, dropped)) {
      writeFileSync(join(folder, name, file), documents.join("\n---\n"));
    }
  }
  return [...dropped].sort();
}

/** The matrix, and what the values of production say of hosts outside it. */
function tables() {
  const matrix = flattenMatrix();
  // The schema refuses a values file of another shape.
  const values = Bun.YAML.parse(readFileSync(valuesPath, "utf8")) as Parameters<
    typeof destinationsOf
  >[0];
  return { ...matrix, destinations: destinationsOf(values, matrix.outside), canaryShare };
}

/** meshConfig as YAML, of which JSON is a part. */
function meshConfig(): string {
  const { meshConfig: config } = Bun.YAML.parse(readFileSync(meshConfigPath, "utf8")) as {
    meshConfig?: unknown;
  };
  if (config === undefined) {
    throw new Error(`${meshConfigPath} has no meshConfig`);
  }
  return JSON.stringify(config);
}

const files = ["k8s.yaml", "istio.yaml", "gateway.yaml"] as const;

/** Documents by who reads them; kinds that istiod does not read go into `dropped`. */
function splitByReader(text: string, dropped: Set<string>): Map<string, string[]> {
  const split = new Map<string, string[]>(files.map((file) => [file, []]));
  for (const part of text.split(/^---$/mu)) {
    const { apiVersion, kind } = (Bun.YAML.parse(part) ?? {}) as {
      apiVersion?: string;
      kind?: string;
    };
    if (apiVersion === undefined || kind === undefined) {
      continue;
    }
    const file = fileFor(apiVersion);
    if (file === undefined) {
      dropped.add(kind);
    } else {
      split.get(file)?.push(part);
    }
  }
  return split;
}

function fileFor(apiVersion: string): (typeof files)[number] | undefined {
  const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
  if (group.endsWith(".istio.io")) {
    return "istio.yaml";
  }
  if (group === "gateway.networking.k8s.io") {
    return "gateway.yaml";
  }
  // The groups of Kubernetes itself have no dot, or end in .k8s.io; KEDA's and Prometheus' do not.
  return !group.includes(".") || group.endsWith(".k8s.io") ? "k8s.yaml" : undefined;
}

/** Whether the chart has what these levels render. */
export function canRender(): boolean {
  return existsSync(valuesPath) && existsSync(meshConfigPath);
}
