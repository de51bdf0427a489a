import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { installedFolder, installNpm } from "../install/packages.ts";
import type { Rival } from "../rival.ts";
import { startProgram } from "../start-program.ts";

const version = "1.15.2";
const packagePath = "node_modules/@portkey-ai/gateway";

/** A gateway for many providers, on Node. */
export const portkey: Rival = {
  name: "portkey",
  what: "LLM gateway on Node",
  source: `npm @portkey-ai/gateway@${version}`,
  async find() {
    const folder = installedFolder("portkey");
    if (folder === undefined || Bun.which("node") === null) return undefined;
    const path = join(folder, packagePath, "build/start-server.js");
    if (!existsSync(path)) return undefined;
    // The server has no way to tell its version; its manifest is what npm installed.
    const manifest = readFileSync(join(folder, packagePath, "package.json"), "utf8");
    return { path, version: (JSON.parse(manifest) as { version: string }).version };
  },
  install: () =>
    installNpm("portkey", {
      dependencies: { "@portkey-ai/gateway": version },
      // Without these npm resolves a web framework that this version does not start with.
      overrides: { hono: "4.9.7", "@hono/node-server": "1.13.5" },
    }),
  start: (program, upstreamUrl) =>
    startProgram("portkey", ({ port, config }) => ({
      command: [
        "node",
        ...["--require", config("bind-loopback.cjs", {})],
        ...[program.path, `--port=${port}`, "--headless"],
      ],
      env: { NODE_ENV: "production", TRUSTED_CUSTOM_HOSTS: "127.0.0.1,localhost" },
      headers: {
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": `${upstreamUrl}/v1`,
        authorization: "Bearer unused",
      },
    })),
};
