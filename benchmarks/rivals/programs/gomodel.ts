import { join } from "node:path";
import { askProgram, buildGoModule, installedFolder } from "../install/packages.ts";
import type { Rival } from "../rival.ts";
import { startProgram } from "../start-program.ts";

const module = "github.com/enterpilot/gomodel";
const version = "v0.1.66";

/** A gateway for many providers, in Go; its module is not served by every module proxy. */
export const gomodel: Rival = {
  name: "gomodel",
  what: "LLM gateway in Go",
  source: `Go module ${module} ${version}`,
  async find() {
    const folder = installedFolder("gomodel");
    if (folder === undefined) return undefined;
    const path = join(folder, "gomodel");
    const said = await askProgram([path, "--version"]);
    const found = /v?\d+\.\d+\.\d+/.exec(said ?? "")?.[0];
    return found === undefined ? undefined : { path, version: found };
  },
  install: () => buildGoModule("gomodel", { module, version, program: "cmd/gomodel" }),
  start: (program, upstreamUrl) =>
    startProgram("gomodel", ({ port }) => ({
      command: [program.path],
      env: {
        PORT: String(port),
        OPENAI_API_KEY: "unused",
        OPENAI_BASE_URL: `${upstreamUrl}/v1`,
        METRICS_ENABLED: "false",
        LOGGING_ENABLED: "false",
      },
    })),
};
