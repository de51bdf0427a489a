import { join } from "node:path";
import { askProgram, installedFolder, installWheel } from "../install/packages.ts";
import type { Rival } from "../rival.ts";
import { startProgram } from "../start-program.ts";

const requirement = "litellm[proxy]==1.101.6";

/** A gateway for many providers, in Python. */
export const litellm: Rival = {
  name: "litellm",
  what: "LLM gateway in Python, one worker for its one core",
  source: `PyPI ${requirement}`,
  async find() {
    const folder = installedFolder("litellm");
    if (folder === undefined) return undefined;
    const path = join(folder, "venv/bin/litellm");
    const said = await askProgram([path, "--version"], quiet);
    const version = /(\d+\.\d+\.\d+)/.exec(said ?? "")?.[1];
    return version === undefined ? undefined : { path, version };
  },
  install: () => installWheel("litellm", requirement),
  start: (program, upstreamUrl) =>
    startProgram("litellm", ({ port, config }) => ({
      command: [
        program.path,
        ...["--config", config("litellm.yaml", { UPSTREAM_URL: upstreamUrl })],
        ...["--host", "127.0.0.1", "--port", String(port), "--num_workers", "1"],
      ],
      env: quiet,
    })),
};

/** Neither logs nor a look-up of prices on the network. */
const quiet = {
  LITELLM_LOG: "ERROR",
  LITELLM_LOCAL_MODEL_COST_MAP: "True",
  LITELLM_TELEMETRY: "False",
};
