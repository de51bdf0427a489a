// What makes an install the same everywhere: exact versions, one version of each package, a
// lockfile that names no host, and no install scripts.

import { type Lockfile, missingEntries } from "../mend-lockfile.ts";
import type { Fault, SourceFile } from "./source-file.ts";

interface Manifest {
  name?: string;
  version?: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

const exactVersion = /^\d+\.\d+\.\d+(-[\w.]+)?$/;

/** Faults of every package.json of ours, of package-lock.json and of .npmrc. */
export function packages(files: readonly SourceFile[]): readonly Fault[] {
  return [...manifestFaults(files), ...lockfileFaults(files), ...npmrcFaults(files)];
}

function manifestFaults(files: readonly SourceFile[]): readonly Fault[] {
  const faults: Fault[] = [];
  const versionOf = new Map<string, string>();
  for (const { path, text } of files) {
    if (!/^([\w-]+\/)?package\.json$/.test(path)) continue;
    // Our own manifests, in npm's documented form.
    const manifest = JSON.parse(text) as Manifest;
    const dependencies = {
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...manifest.optionalDependencies,
      ...manifest.peerDependencies,
    };
    for (const [name, version] of Object.entries(dependencies)) {
      const line = 1 + text.slice(0, text.indexOf(`"${name}"`)).split("\n").length - 1;
      if (!exactVersion.test(version)) {
        faults.push({ path, line, sentence: `${name} ${version}: give one exact version` });
      }
      const other = versionOf.get(name);
      if (other !== undefined && other !== version) {
        const sentence = `${name} is ${version} here and ${other} in another package`;
        faults.push({ path, line, sentence });
      }
      versionOf.set(name, version);
    }
  }
  return faults;
}

function lockfileFaults(files: readonly SourceFile[]): readonly Fault[] {
  const path = "package-lock.json";
  const text = files.find((file) => file.path === path)?.text;
  if (text === undefined) return [{ path, line: 1, sentence: "the lockfile is missing" }];
  const lockfile = JSON.parse(text) as Lockfile;
  const faults: Fault[] = [];
  for (const [index, content] of text.split("\n").entries()) {
    if (content.includes("://")) {
      faults.push({
        path,
        line: index + 1,
        sentence: "names a host: bun scripts/mend-lockfile.ts",
      });
    }
  }
  const missing = Object.keys(missingEntries(lockfile)).length;
  if (missing > 0) {
    const sentence = `${missing} optional packages have no entry, and npm ci would refuse: bun scripts/mend-lockfile.ts`;
    faults.push({ path, line: 1, sentence });
  }
  return faults;
}

function npmrcFaults(files: readonly SourceFile[]): readonly Fault[] {
  const path = ".npmrc";
  const text = files.find((file) => file.path === path)?.text ?? "";
  return ["ignore-scripts=true", "save-exact=true", "omit-lockfile-registry-resolved=true"]
    .filter((setting) => !text.split("\n").includes(setting))
    .map((setting) => ({ path, line: 1, sentence: `${setting} must be set` }));
}
