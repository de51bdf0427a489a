import { join } from "node:path";
import { askProgram, buildGo, installedFolder } from "../install/packages.ts";
import type { Rival } from "../rival.ts";
import { startProgram } from "../start-program.ts";

const sourceFolder = join(import.meta.dir, "../bifrost");

/** The core of a gateway in Go, behind a small front of this repository. */
export const bifrost: Rival = {
  name: "bifrost",
  what: "core of an LLM gateway in Go behind our own front: a lower bound",
  source: "Go module github.com/maximhq/bifrost/core v1.4.0, built from rivals/bifrost",
  async find() {
    const folder = installedFolder("bifrost");
    if (folder === undefined) return undefined;
    const path = join(folder, "bifrost");
    const version = await askProgram([path, "--version"]);
    return version === undefined ? undefined : { path, version: `core ${version}` };
  },
  install: () => buildGo("bifrost", sourceFolder),
  start: (program, upstreamUrl) =>
    startProgram("bifrost", ({ port }) => ({
      command: [program.path, "--port", String(port), "--upstream", upstreamUrl],
    })),
};
