import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { CellJob } from "../grid/axes.ts";
import type { CellResult } from "../result.ts";

/** Finished cells on disk, one JSON line each: what an interrupted grid goes on from. */
export interface ResultsFile {
  /** The result of the same cell under the same code, when there is one. */
  find(job: CellJob): CellResult | undefined;
  append(job: CellJob, result: CellResult): void;
}

interface Line {
  readonly key: string;
  readonly result: CellResult;
}

/**
 * Opens the file, or begins it anew unless `resume`. Cells are found by a hash of their spec, of
 * the code (`fingerprint`) and of the trace; a line that was cut short is passed over.
 */
export function openResultsFile(options: {
  readonly path: string;
  readonly resume: boolean;
  readonly fingerprint: string;
}): ResultsFile {
  const { path, resume, fingerprint } = options;
  mkdirSync(dirname(path), { recursive: true });
  if (!resume) rmSync(path, { force: true });
  const known = new Map<string, CellResult>();
  if (existsSync(path)) {
    const text = readFileSync(path, "utf8");
    for (const { key, result } of text.split("\n").flatMap(lineOf)) known.set(key, result);
    // A cut line must not swallow the one that is appended next.
    if (text !== "" && !text.endsWith("\n")) appendFileSync(path, "\n");
  }
  const keyOf = (job: CellJob) =>
    Bun.hash.xxHash64(JSON.stringify([fingerprint, job.spec, job.withTimeline])).toString(16);
  return {
    find: (job) => known.get(keyOf(job)),
    append: (job, result) => {
      appendFileSync(path, `${JSON.stringify({ key: keyOf(job), result } satisfies Line)}\n`);
    },
  };
}

function lineOf(text: string): Line[] {
  if (text === "") return [];
  try {
    // Written by `append` of the same code: the key holds its fingerprint.
    return [JSON.parse(text) as Line];
  } catch {
    return [];
  }
}
