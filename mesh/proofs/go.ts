import { existsSync } from "node:fs";
import { join } from "node:path";

/** Where Go's own installer puts it, which not every PATH has. */
const usualPath = "/usr/local/go/bin/go";
/** As the go.mod files here ask for. */
const minorMin = 26;

/** The Go command, where there is one. */
export function findGo(): string | undefined {
  return Bun.which("go") ?? (existsSync(usualPath) ? usualPath : undefined);
}

/** What is missing of Go to build a level, as a sentence; undefined: nothing. */
export function goMissing(): string | undefined {
  const go = findGo();
  if (go === undefined) {
    return `there is no Go on PATH. Go 1.${minorMin} or newer is at https://go.dev/dl; everything else is built by this command`;
  }
  // Asked where a go.mod says what is wanted: a Go that may fetch a newer one does so.
  const cwd = join(import.meta.dir, "compose");
  const { stdout } = Bun.spawnSync([go, "env", "GOVERSION"], { cwd, env: process.env });
  return goFault(stdout.toString().trim());
}

/**
 * A sentence when the version, such as `go1.26.8`, is too old. One that cannot read our go.mod says
 * nothing, and is.
 */
export function goFault(version: string): string | undefined {
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(version) ?? [];
  const isEnough = Number(major) > 1 || (Number(major) === 1 && Number(minor) >= minorMin);
  return isEnough
    ? undefined
    : `Go is ${version || "too old"}, and 1.${minorMin} or newer is needed: https://go.dev/dl`;
}
