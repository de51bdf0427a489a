import { readFileSync } from "node:fs";
import { join } from "node:path";

/** All code that a cell's figures depend on, relative to the repository. */
const sources = [
  "benchmarks/engine/*.ts",
  "benchmarks/workloads/**/*.ts",
  "benchmarks/policy-lab/*.ts",
  "benchmarks/policy-lab/{fleet,policies,pool}/**/*.ts",
  "inference-proxy/src/policy.ts",
  "inference-proxy/src/{admit,cache-index,config,learn,pace,pick,prompt,sessions}/**/*.ts",
  "inference-proxy/src/config.ts",
  "runtime/src/base/*.ts",
];

/** Changes when the code does that turns a spec into a result. */
export function codeFingerprint(): string {
  const root = join(import.meta.dir, "../../..");
  const hash = new Bun.CryptoHasher("sha256");
  for (const source of sources) {
    const paths = [...new Bun.Glob(source).scanSync(root)].filter(
      (path) => !path.endsWith(".test.ts"),
    );
    for (const path of paths.sort()) {
      hash.update(`${path}\n`);
      hash.update(readFileSync(join(root, path)));
    }
  }
  return hash.digest("hex").slice(0, 16);
}
