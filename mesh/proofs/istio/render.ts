import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderChart } from "../../helm.ts";
import { flattenMatrix } from "./cells.ts";
import {
  argsOf,
  canaryShare,
  meshConfigOf,
  meshConfigPath,
  productionPath,
  settingOf,
  turnedRound,
  type Variant,
  variants,
} from "./variants.ts";

/**
 * Renders the chart into `folder` for the Go side: matrix.json, and of each variant setting.json,
 * mesh.yaml, k8s.yaml, istio.yaml and gateway.yaml; of one that has another cluster beside it, that
 * one's k8s.yaml in peer/. Gives the kinds that istiod does not read: left out.
 */
export function renderForGo(folder: string): readonly string[] {
  const matrix = flattenMatrix();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "matrix.json"), JSON.stringify({ ...matrix, canaryShare }));
  const dropped = new Set<string>();
  for (const variant of variants) {
    const own = join(folder, variant.name);
    renderVariant(variant, own, dropped);
    writeFileSync(join(own, "mesh.yaml"), meshConfigOf(variant));
    writeFileSync(join(own, "setting.json"), JSON.stringify(settingOf(variant, matrix.outside)));
    const peer = turnedRound(variant);
    if (peer !== undefined) {
      renderVariant(peer, join(own, "peer"), dropped);
    }
  }
  return [...dropped].sort();
}

function renderVariant(variant: Variant, folder: string, dropped: Set<string>): void {
  const args = argsOf(variant);
  const rendered = renderChart(args);
  if (rendered === undefined || rendered.exitCode !== 0) {
    throw new Error(`helm template ${args.join(" ")}: ${rendered?.stderr ?? "no helm"}`);
  }
  mkdirSync(folder, { recursive: true });
  for (const [file, documents] of splitByReader(rendered.stdout, dropped)) {
    writeFileSync(join(folder, file), documents.join("\n---\n"));
  }
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
  return existsSync(productionPath) && existsSync(meshConfigPath);
}
