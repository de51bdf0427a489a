import { join } from "node:path";
import { depsFolder, root, runCommand } from "../../../scripts/repository.ts";
import { findGo } from "../go.ts";

/** One container as Docker would run it; the members that the proofs look at. */
export interface LoadedContainer {
  readonly image?: string;
  readonly profiles?: readonly string[];
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly stop_grace_period?: string;
  readonly healthcheck?: { readonly test?: readonly string[] };
  readonly ports?: readonly { readonly host_ip?: string; readonly target: number }[];
}

/** A Compose file after Docker's own loader: merged, interpolated, every profile included. */
export interface LoadedProject {
  readonly services: Readonly<Record<string, LoadedContainer>>;
}

/** What the loader came to: the project, or its sentence about what is wrong. */
export type Loaded = { readonly project: LoadedProject } | { readonly fault: string };

const folder = import.meta.dir;
const program = join(depsFolder, "bin/compose-load");
// Eight small modules: seconds once they are there.
const buildMsMax = 240_000;
const loadMsMax = 10_000;

/** Builds the loader, from the module cache where it has been before; throws Go's words. */
export async function buildLoader(): Promise<void> {
  const { exitCode, text } = await runCommand([findGo() ?? "go", "build", "-o", program, "."], {
    cwd: folder,
    timeoutMs: buildMsMax,
  });
  if (exitCode !== 0) {
    throw new Error(`the Compose loader does not build: ${text.trim()}`);
  }
}

/**
 * Reads a Compose file as Docker does, with an env file if one is given. The environment of this
 * process plays no part.
 */
export async function load(file: string, ...envFile: readonly string[]): Promise<Loaded> {
  const command = [program, file, ...envFile];
  const { exitCode, text } = await runCommand(command, { cwd: root, timeoutMs: loadMsMax });
  // What the loader prints is the JSON of the library that Docker uses.
  return exitCode === 0
    ? { project: JSON.parse(text) as LoadedProject }
    : { fault: text.trim() || `ended with ${exitCode}` };
}
