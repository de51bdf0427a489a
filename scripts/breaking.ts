// Compares the contract with the baseline image. The log package and what it imports are stored for
// as long as tasks are, so they may only be added to, at any version. The other packages are
// compared as well; while the version is 0.x a difference there is a notice, not a failure.

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { baselineImage, buf } from "./generate.ts";
import { fetchProtoDeps } from "./proto-deps.ts";
import { packageBin, root, runCommand } from "./repository.ts";

const logProto = "warmpath/log/v1/event.proto";

const storedRules = ["WIRE", "FIELD_NO_DELETE", "ENUM_VALUE_NO_DELETE", "MESSAGE_NO_DELETE"];

/** What differs from the baseline: `faults` break stored events or a released contract. */
export interface BreakingReport {
  faults: string;
  notices: string;
}

/** Runs both comparisons; without a baseline there is nothing to compare with. */
export async function compareWithBaseline(): Promise<BreakingReport> {
  if (!existsSync(join(root, baselineImage))) {
    return {
      faults: `${baselineImage} is missing: bun scripts/generate.ts --baseline`,
      notices: "",
    };
  }
  await fetchProtoDeps();
  const folder = mkdtempSync(join(tmpdir(), "warmpath-breaking-"));
  const current = join(folder, "current.binpb");
  try {
    await buf("build", "--exclude-source-info", "--output", current);
    const stored = await breaking(current, storedRules, [...storedFiles()]);
    const all = await breaking(current, ["FILE"], ["warmpath"]);
    return isReleased() ? { faults: stored + all, notices: "" } : { faults: stored, notices: all };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function isReleased(): boolean {
  // Our own package.json.
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    version: string;
  };
  return !version.startsWith("0.");
}

async function breaking(image: string, use: string[], paths: readonly string[]): Promise<string> {
  const result = await runCommand(
    [
      packageBin("buf"),
      "breaking",
      image,
      "--against",
      baselineImage,
      "--config",
      JSON.stringify({ version: "v2", breaking: { use } }),
      ...paths.flatMap((path) => ["--path", path]),
    ],
    { timeoutMs: 60_000 },
  );
  // Buf ends with 100 when it found differences; anything else than 0 and 100 is a failure to run.
  if (result.exitCode !== 0 && result.exitCode !== 100) throw new Error(result.text.trimEnd());
  return result.exitCode === 0 ? "" : result.text;
}

/** The log's file and all of ours that it imports, directly or not. */
function storedFiles(): ReadonlySet<string> {
  const found = new Set<string>();
  const pending = [logProto];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (found.has(path)) continue;
    found.add(path);
    const text = readFileSync(join(root, "proto", path), "utf8");
    for (const [, imported] of text.matchAll(/^import "(warmpath\/[^"]+)";/gm)) {
      if (imported !== undefined) pending.push(imported);
    }
  }
  return found;
}

if (import.meta.main) {
  const { faults, notices } = await compareWithBaseline();
  if (notices !== "") console.log(`Changed since the last release (allowed in 0.x):\n${notices}`);
  if (faults !== "") {
    console.error(`Stored events would no longer be readable:\n${faults}`);
    process.exitCode = 1;
  }
}
