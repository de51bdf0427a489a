// bun scripts/tidy.ts [--fix]: the house style that no other tool enforces, in a second. Each rule
// is a function over all files as text, in scripts/tidy/; this file reads them once and lists the
// rules. `--fix [folder]` breaks comment lines that are too long.

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryFiles, root } from "./repository.ts";
import { bannedText } from "./tidy/banned-text.ts";
import { brokenLinks, staleFileLists } from "./tidy/documents.ts";
import { boundaries, deadFiles, errorCauses } from "./tidy/imports.ts";
import { duplicateMetrics, emptyFileNames, machinePaths, sizes } from "./tidy/names-and-sizes.ts";
import { packages } from "./tidy/packages.ts";
import { type Fault, isCode, type Rule, type SourceFile } from "./tidy/source-file.ts";
import { wrapComments } from "./tidy/wrap-comments.ts";

// Larger than any source, smaller than any recording.
const textBytesMax = 1024 * 1024;

/** Every text file of the checkout, and the paths of all files, text or not. */
export async function readRepository(): Promise<{
  files: readonly SourceFile[];
  paths: ReadonlySet<string>;
}> {
  const paths = await repositoryFiles();
  const files: SourceFile[] = [];
  for (const path of paths) {
    const stat = statSync(join(root, path), { throwIfNoEntry: false });
    if (stat === undefined || !stat.isFile() || stat.size > textBytesMax) continue;
    const bytes = readFileSync(join(root, path));
    if (!bytes.includes(0)) files.push({ path, text: bytes.toString("utf8") });
  }
  return { files, paths: new Set(paths) };
}

/** All faults of all rules, in the order of the files. */
export async function tidyFaults(): Promise<readonly Fault[]> {
  const { files, paths } = await readRepository();
  const rules: readonly Rule[] = [
    bannedText,
    deadFiles,
    boundaries,
    errorCauses,
    duplicateMetrics,
    machinePaths,
    emptyFileNames,
    (all) => sizes(all),
    packages,
    (all) => brokenLinks(all, paths),
    (all) => staleFileLists(all, paths),
  ];
  const faults = rules.flatMap((rule) => rule(files));
  return faults.toSorted((a, b) => a.path.localeCompare(b.path) || a.line - b.line);
}

/** Mends what a program can mend: the lengths of comment lines, below a folder or everywhere. */
export async function fixTidy(folder = ""): Promise<void> {
  const { files } = await readRepository();
  for (const { path, text } of files) {
    if (!isCode(path) || !path.startsWith(folder)) continue;
    const mended = wrapComments(text);
    if (mended !== text) writeFileSync(join(root, path), mended);
  }
}

if (import.meta.main) {
  const fixAt = process.argv.indexOf("--fix");
  if (fixAt !== -1) await fixTidy(process.argv[fixAt + 1]);
  const faults = await tidyFaults();
  for (const { path, line, sentence } of faults) console.log(`${path}:${line}: ${sentence}`);
  if (faults.length > 0) process.exitCode = 1;
}
