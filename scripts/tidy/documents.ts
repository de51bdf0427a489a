// Documents that name a file or link to one must name one that exists.

import { dirname, join, normalize } from "node:path/posix";
import { type Fault, lineAt, type SourceFile } from "./source-file.ts";

const link = /\[[^\]]*\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g;
const quotedFile = /`([\w./-]+\.(?:tsx?|mjs|proto|ya?ml|json|sh|md|binpb))`/g;

/** Relative Markdown links whose file or heading is not there. */
export function brokenLinks(
  files: readonly SourceFile[],
  allPaths: ReadonlySet<string>,
): readonly Fault[] {
  const texts = new Map(files.map((file) => [file.path, file.text]));
  const faults: Fault[] = [];
  for (const { path, text } of documentsOf(files)) {
    for (const match of withoutCodeBlocks(text).matchAll(link)) {
      const target = match[1] ?? "";
      if (/^[a-z][a-z+.-]*:/i.test(target)) continue;
      const [file = "", heading] = target.split("#");
      const resolved = file === "" ? path : normalize(join(dirname(path), decodeURI(file)));
      const line = lineAt(text, match.index);
      if (!exists(resolved, allPaths)) {
        faults.push({ path, line, sentence: `the link ${target} leads to no file` });
      } else if (heading !== undefined && resolved.endsWith(".md")) {
        if (headingsOf(texts.get(resolved) ?? "").has(heading)) continue;
        faults.push({ path, line, sentence: `the link ${target} names no heading of its file` });
      }
    }
  }
  return faults;
}

/** READMEs list files in reading order; a file that was renamed must be renamed there. */
export function staleFileLists(
  files: readonly SourceFile[],
  allPaths: ReadonlySet<string>,
): readonly Fault[] {
  const faults: Fault[] = [];
  for (const { path, text } of documentsOf(files)) {
    const folder = dirname(path) === "." ? "" : `${dirname(path)}/`;
    for (const match of withoutCodeBlocks(text).matchAll(quotedFile)) {
      const name = (match[1] ?? "").replace(/^(\.\/)+/, "");
      // A bare extension or a placeholder such as `x.test.ts` names a kind of file, not a file.
      if (/^\.|^x[.-]|(^|\/)\.\.\//.test(name) || ignoredFolders.test(name)) continue;
      if (isThere(name, folder, path, allPaths)) continue;
      const sentence = `\`${name}\` names a file that does not exist`;
      faults.push({ path, line: lineAt(text, match.index), sentence });
    }
  }
  return faults;
}

const ignoredFolders = /^(\.deps|\.warmpath|node_modules|~)\//;

/**
 * In a package's README a path may start at the package, its src, or a folder named just before.
 */
function isThere(
  name: string,
  folder: string,
  path: string,
  allPaths: ReadonlySet<string>,
): boolean {
  if (allPaths.has(name) || allPaths.has(folder + name)) return true;
  const isPackageReadme = path.endsWith("README.md") && folder !== "";
  for (const candidate of allPaths) {
    if (!candidate.endsWith(`/${name}`)) continue;
    if (!isPackageReadme || candidate.startsWith(folder)) return true;
  }
  return false;
}

function documentsOf(files: readonly SourceFile[]): readonly SourceFile[] {
  return files.filter(({ path }) => path.endsWith(".md") && !path.includes("/testdata/"));
}

function withoutCodeBlocks(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, (block) => block.replace(/[^\n]/g, " "));
}

function exists(path: string, allPaths: ReadonlySet<string>): boolean {
  const bare = path.replace(/\/$/, "");
  if (bare === "." || allPaths.has(bare)) return true;
  for (const candidate of allPaths) if (candidate.startsWith(`${bare}/`)) return true;
  return false;
}

/** GitHub's anchors: lower case, punctuation dropped, blanks as hyphens. */
function headingsOf(text: string): ReadonlySet<string> {
  const headings = withoutCodeBlocks(text).matchAll(/^#{1,6}\s+(.+?)\s*$/gm);
  return new Set(
    [...headings].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .replace(/\s/g, "-"),
    ),
  );
}
