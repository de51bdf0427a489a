import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../system/free-port.ts";
import { type BenchProcess, spawnBackground } from "../../system/spawn-process.ts";
import { temporaryFolder } from "../../system/temporary-folder.ts";
import { askProgram, installedFolder, installNpm } from "../install/packages.ts";
import { supervised } from "../start-program.ts";
import { callForEnd, startApp } from "./app.ts";
import type { FoundSystem, Model, StartedSystem } from "./system.ts";

const serverVersion = "1.7.12";
const sdkVersion = "1.17.2";
const source = `npm @restatedev/restate-server@${serverVersion}, @restatedev/restate-sdk@${sdkVersion}`;
const readyMsMax = 60_000;
const template = join(import.meta.dir, "../config/restate.toml");

/** Restate: its server with a log of its own, and a service in Node that it calls. */
export async function findRestate(mayInstall: boolean): Promise<FoundSystem> {
  const absent = (reason: string) => ({ absent: `restate: absent: ${reason} (${source})` });
  if (Bun.which("node") === null) return absent("node is not installed");
  if (installedFolder("restate") === undefined) {
    if (!mayInstall) return absent("not installed");
    try {
      await installNpm("restate", {
        dependencies: {
          "@restatedev/restate-server": serverVersion,
          "@restatedev/restate-sdk": sdkVersion,
        },
      });
    } catch (error) {
      return absent(error instanceof Error ? error.message : String(error));
    }
  }
  const folder = installedFolder("restate");
  if (folder === undefined) return absent("not installed");
  const platform = `${process.platform}-${process.arch}`;
  const program = join(
    folder,
    `node_modules/@restatedev/restate-server-${platform}/bin/restate-server`,
  );
  const said = await askProgram([program, "--version"]);
  if (said === undefined) return absent(`its server does not start on ${platform}`);
  return {
    system: {
      name: "restate",
      what: `${said} with its own log, synced to disk; SDK ${sdkVersion} in one Node process`,
      start: (model) => startRestate(program, folder, model),
    },
  };
}

async function startRestate(program: string, folder: string, model: Model): Promise<StartedSystem> {
  const temporary = temporaryFolder("warmpath-bench-restate-");
  const data = temporary.path;
  const ports = {
    INGRESS_PORT: String(await freePort()),
    ADMIN_PORT: String(await freePort()),
    NODE_PORT: String(await freePort()),
  };
  const values: Readonly<Record<string, string>> = { ...ports, FOLDER: data };
  const text = readFileSync(template, "utf8").replace(
    /@([A-Z_]+)@/g,
    (_, key: string) => values[key] ?? "",
  );
  const config = join(data, "restate.toml");
  writeFileSync(config, text);
  const server = spawnBackground({
    command: supervised([program, "--config-file", config, "--no-logo"]),
  });
  const stopServer = async () => {
    await server.stop(10_000);
    temporary.remove();
  };
  const ingress = `http://127.0.0.1:${ports.INGRESS_PORT}`;
  const admin = `http://127.0.0.1:${ports.ADMIN_PORT}`;
  try {
    await untilHealthy(`${admin}/health`, server);
    const app = await startApp("restate-app.mjs", folder, model);
    await register(admin, app.url);
    await untilHealthy(`${ingress}/restate/health`, server);
    return {
      run: (question) => callForEnd(`${ingress}/Agent/run`, question),
      async stop() {
        await app.stop();
        await stopServer();
      },
    };
  } catch (error) {
    await stopServer();
    throw error;
  }
}

async function register(admin: string, uri: string): Promise<void> {
  const response = await fetch(`${admin}/deployments`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ uri }),
  });
  if (!response.ok) {
    throw new Error(`Restate refused the service: ${response.status} ${await response.text()}`);
  }
}

async function untilHealthy(url: string, server: BenchProcess): Promise<void> {
  const deadlineMs = performance.now() + readyMsMax;
  for (;;) {
    // Nobody listens yet.
    const isUp = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (isUp) return;
    if (server.ended() || performance.now() > deadlineMs) {
      throw new Error(`Restate did not get ready; it said: ${server.said()}`);
    }
    await Bun.sleep(100);
  }
}
