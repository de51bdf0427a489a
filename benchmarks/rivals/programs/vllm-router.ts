import { join } from "node:path";
import { freePort } from "../../system/free-port.ts";
import { askProgram, installedFolder, installWheel } from "../install/packages.ts";
import type { Rival } from "../rival.ts";
import { startProgram } from "../start-program.ts";

const requirement = "vllm-router==0.1.17";

/** vLLM's router, in Rust; its default policy. */
export const vllmRouter: Rival = {
  name: "vllm-router",
  what: "inference router in Rust, cache_aware",
  source: `PyPI ${requirement}`,
  async find() {
    const folder = installedFolder("vllm-router");
    if (folder === undefined) return undefined;
    const python = join(folder, "venv/bin/python");
    const version = await askProgram([
      python,
      "-c",
      "import vllm_router, importlib.metadata as m; print(m.version('vllm-router'))",
    ]);
    if (version === undefined) return undefined;
    return { path: join(folder, "venv/bin/vllm-router"), version };
  },
  install: () => installWheel("vllm-router", requirement),
  async start(program, upstreamUrl) {
    const metricsPort = await freePort();
    return startProgram("vllm-router", ({ port }) => ({
      command: [
        program.path,
        ...["--host", "127.0.0.1", "--port", String(port)],
        ...["--worker-urls", upstreamUrl],
        ...["--prometheus-host", "127.0.0.1", "--prometheus-port", String(metricsPort)],
        ...["--log-level", "error", "--disable-retries", "--disable-circuit-breaker"],
        ...["--max-concurrent-requests", "8192"],
      ],
    }));
  },
};
