// bun mesh/render.ts [arguments of helm template]: the chart as Kubernetes would get it, on
// stdout.

import { helmMissing, renderAsGiven } from "./helm.ts";

// A chart without an engine is refused, so a bare call names one that explains itself.
const exampleArgs = ["--set", "upstreams.urls={http://engine.example:8000}"];

function main(given: readonly string[]): number {
  const rendered = renderAsGiven(given.length > 0 ? given : exampleArgs);
  if (rendered === undefined) {
    process.stderr.write(`${helmMissing}\n`);
    return 1;
  }
  process.stdout.write(rendered.stdout);
  process.stderr.write(rendered.stderr);
  return rendered.exitCode;
}

if (import.meta.main) {
  process.exitCode = main(process.argv.slice(2));
}
