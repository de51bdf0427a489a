// bun scripts/generate.ts              regenerate proto/src/gen from the .proto files
// bun scripts/generate.ts --check      fail with a diff when proto/src/gen is something else
// bun scripts/generate.ts --baseline   at a release: move what `buf breaking` compares with

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fetchProtoDeps } from "./proto-deps.ts";
import { packageBin, root, runCommand } from "./repository.ts";

const generatedFolder = "proto/src/gen";

/**
 * The contract as of the last release, with all it imports. It is also the schema that `buf curl`
 * reads in a fresh clone, where .deps does not exist: `buf curl --schema proto/baseline.binpb …`.
 */
export const baselineImage = "proto/baseline.binpb";

/** Runs buf in the checkout and throws what it says when it fails. */
export async function buf(...args: string[]): Promise<void> {
  const result = await runCommand([packageBin("buf"), ...args], { timeoutMs: 120_000 });
  if (result.exitCode !== 0) throw new Error(`buf ${args[0]} failed:\n${result.text.trimEnd()}`);
}

/** The difference between the tracked generated code and a fresh generation; empty when none. */
export async function generatedDrift(): Promise<string> {
  await fetchProtoDeps();
  const folder = mkdtempSync(join(tmpdir(), "warmpath-generate-"));
  try {
    await buf("generate", "--output", folder);
    const diff = await runCommand(
      ["git", "diff", "--no-index", "--no-color", generatedFolder, join(folder, generatedFolder)],
      { cwd: root },
    );
    // git's exit code is 1 for a difference, and more for a failure of its own.
    if (diff.exitCode > 1) throw new Error(`git diff failed: ${diff.text}`);
    // A descriptor is one line of many kilobytes that nobody reads.
    return diff.text.replace(/^(.{160}).+$/gm, "$1 …");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(argument: string | undefined): Promise<void> {
  if (argument === "--check") {
    const drift = await generatedDrift();
    if (drift === "") return;
    console.error(`${drift}\n${generatedFolder} is not what the .proto files generate.`);
    console.error("Run: bun scripts/generate.ts");
    process.exitCode = 1;
    return;
  }
  await fetchProtoDeps();
  if (argument === undefined) await buf("generate");
  else if (argument === "--baseline") {
    // Without source positions the image is a sixth of the size, and nothing here reads them.
    await buf("build", "--exclude-source-info", "--output", baselineImage);
  } else throw new Error(`${argument} is not an option: --check or --baseline`);
}

if (import.meta.main) {
  try {
    await main(process.argv[2]);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
