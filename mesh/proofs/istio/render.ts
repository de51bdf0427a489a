import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chartDir, renderChart } from "../../helm.ts";
import { flattenMatrix } from "./cells.ts";

/** A way to render the chart, and the folder's name that the Go side finds it by. */
interface Variant {
  readonly name: string;
  readonly args: readonly string[];
}

const production = ["-n", "warmpath", "-f", join(chartDir, "values-production.yaml")];

const variants: readonly Variant[] = [{ name: "production", args: production }];

/** What installs Istio for this chart: its mesh-wide settings. */
const meshConfigPath = join(import.meta.dir, "../../istio/mesh-config.yaml");

/**
 * Renders the chart into `folder` for the Go side: matrix.json, mesh.yaml, and of each variant
 * k8s.yaml, istio.yaml and gateway.yaml. Gives the kinds that istiod does not read: left out.
 */
export function renderForGo(folder: string): readonly string[] {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "matrix.json"), JSON.stringify(flattenMatrix()));
  writeFileSync(join(folder, "mesh.yaml"), readFileSync(meshConfigPath, "utf8"));
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

const files = ["k8s.yaml", "istio.yaml", "gateway.yaml"] as const;

/** Documents by who reads them; kinds that istiod does not read go into `dropped`. */
export function splitByReader(text: string, dropped: Set<string>): Map<string, string[]> {
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
  return existsSync(join(chartDir, "values-production.yaml")) && existsSync(meshConfigPath);
}
