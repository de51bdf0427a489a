import { existsSync } from "node:fs";
import { join } from "node:path";
import { installedFolder, unpackDebian } from "../install/packages.ts";
import type { Rival } from "../rival.ts";
import { startProgram } from "../start-program.ts";

/** The measure of a plain reverse proxy. */
export const nginx: Rival = {
  name: "nginx",
  what: "plain reverse proxy, one worker",
  source: "nginx on the PATH, else the Debian package nginx",
  async find() {
    const folder = installedFolder("nginx");
    const paths = [
      Bun.which("nginx") ?? "",
      "/usr/sbin/nginx",
      folder === undefined ? "" : join(folder, "root/usr/sbin/nginx"),
    ];
    const path = paths.find((each) => each !== "" && existsSync(each));
    if (path === undefined) return undefined;
    const child = Bun.spawn([path, "-v"], { stdout: "ignore", stderr: "pipe" });
    const said = await new Response(child.stderr).text();
    const version = /nginx\/(\S+)/.exec(said)?.[1];
    return version === undefined ? undefined : { path, version };
  },
  install: () => unpackDebian("nginx", ["nginx"]),
  start: (program, upstreamUrl) =>
    startProgram("nginx", ({ config }) => ({
      command: [
        program.path,
        ...["-e", "stderr"],
        ...["-c", config("nginx.conf", { UPSTREAM: new URL(upstreamUrl).host })],
      ],
    })),
};
