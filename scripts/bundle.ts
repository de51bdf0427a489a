// bun scripts/bundle.ts FOLDER: what an image holds of us. Each entry becomes one file that needs
// no package, beside the files that it reads while it runs; all lie where they lie in the checkout.

import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { consoleScript } from "@warmpath/gateway/console-script";
import type { BunPlugin } from "bun";
import { root } from "./repository.ts";

/** The commands of an image. */
const entries = ["scripts/warmpath.ts", "benchmarks/replica/main.ts", "mesh/images/probe.ts"];

/** What code opens by its place in the checkout. */
const assets = [
  "package.json",
  "LICENSE",
  "docs",
  "orchestrator/agents",
  "state/src/migrations",
  "gateway/src/console/index.html",
  "gateway/src/console/icon.svg",
  "gateway/src/console/styles",
];

/**
 * Writes the bundle into `folder`; throws with the bundler's words. The embedded database and the
 * replicas that `up` starts as children are not part of it: an image serves real stores.
 */
export async function bundle(folder: string): Promise<void> {
  for (const entry of entries) {
    const built = await Bun.build({
      entrypoints: [join(root, entry)],
      root,
      outdir: folder,
      target: "bun",
      // Names and lines stay: a stack trace of a container can be read.
      minify: false,
      plugins: [keepPlaces(entry)],
      throw: true,
    });
    if (!built.success) {
      throw new Error(`${entry} does not bundle: ${built.logs.join("; ")}`);
    }
  }
  for (const asset of assets) {
    const target = join(folder, asset);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(root, asset), target, { recursive: true });
  }
  await Bun.write(join(folder, "gateway/src/console/main.js"), await consoleScript());
}

/**
 * A module that opens a file beside itself must still find it once it is part of another file: its
 * own address is put together again from the entry's.
 */
function keepPlaces(entry: string): BunPlugin {
  const up = relative(dirname(entry), ".") || ".";
  return {
    name: "keep places",
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const place = relative(root, path);
        const text = readFileSync(path, "utf8");
        if (place.startsWith("..") || place.includes("node_modules") || place === entry) {
          return { contents: text, loader: "ts" };
        }
        const address = `new URL(${JSON.stringify(`${up}/${place}`)}, import.meta.url).href`;
        return { contents: text.replaceAll("import.meta.url", address), loader: "ts" };
      });
    },
  };
}

if (import.meta.main) {
  const folder = process.argv[2];
  if (folder === undefined || existsSync(folder)) {
    process.stderr.write("bun scripts/bundle.ts FOLDER: a folder that is not there yet\n");
    process.exit(2);
  }
  await bundle(folder);
}
