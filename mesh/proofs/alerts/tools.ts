import { existsSync } from "node:fs";
import { join } from "node:path";
import { depsFolder, runCommand } from "../../../scripts/repository.ts";

/** What a run of one of Prometheus's tools came to. */
export interface ToolResult {
  readonly ok: boolean;
  /** Both outputs, without the blank around them. */
  readonly said: string;
}

/** The tools, and the Debian package that has each. */
const packages = { promtool: "prometheus", amtool: "prometheus-alertmanager" } as const;

/** One of Prometheus's tools. */
export type Tool = keyof typeof packages;

/** What is missing for the level, as a sentence; undefined where both tools are there. */
export function missingTools(): string | undefined {
  const names = Object.keys(packages) as Tool[];
  const missing = names.filter((tool) => findTool(tool) === undefined);
  return missing.length === 0
    ? undefined
    : `no ${missing.join(" and no ")} on PATH. On Debian: apt-get install --no-install-recommends ${missing.map((tool) => packages[tool]).join(" ")}`;
}

/** Runs a tool; it has two minutes, on a machine that does other things too. Throws without it. */
export async function runTool(tool: Tool, args: readonly string[]): Promise<ToolResult> {
  const path = findTool(tool);
  if (path === undefined) {
    throw new Error(`there is no ${tool}`);
  }
  const { exitCode, text } = await runCommand([path, ...args], { timeoutMs: 120_000 });
  return { ok: exitCode === 0, said: text.trim() };
}

function findTool(tool: Tool): string | undefined {
  const built = join(depsFolder, "bin", tool);
  return Bun.which(tool) ?? (existsSync(built) ? built : undefined);
}
