import { join } from "node:path";
import { freePort } from "../../system/free-port.ts";
import { askProgram, installedFolder, installWheel } from "../install/packages.ts";
import type { Rival } from "../rival.ts";
import { startProgram } from "../start-program.ts";

const requirement = "smg==1.13.0";

/** The router of SGLang's makers, in Rust; its default policy. */
export const smg: Rival = {
  name: "smg",
  what: "inference router in Rust, cache_aware, one thread's core",
  source: `PyPI ${requirement}`,
  async find() {
    const folder = installedFolder("smg");
    if (folder === undefined) return undefined;
    const python = join(folder, "venv/bin/python");
    const version = await askProgram([
      python,
      "-c",
      "import smg, importlib.metadata as m; print(m.version('smg'))",
    ]);
    return version === undefined ? undefined : { path: join(folder, "venv/bin/smg"), version };
  },
  install: () => installWheel("smg", requirement),
  async start(program, upstreamUrl) {
    const metricsPort = await freePort();
    return startProgram("smg", ({ port }) => ({
      command: [
        program.path,
        "launch",
        ...["--host", "127.0.0.1", "--port", String(port)],
        ...["--worker-urls", upstreamUrl],
        ...["--prometheus-host", "127.0.0.1", "--prometheus-port", String(metricsPort)],
        ...["--log-level", "error", "--disable-retries", "--disable-circuit-breaker"],
        ...["--history-backend", "none", "--max-concurrent-requests", "-1"],
      ],
    }));
  },
};
