import { join } from "node:path";
import { askProgram, installedFolder, unpackDebian } from "../install/packages.ts";
import type { Rival } from "../rival.ts";
import { startProgram } from "../start-program.ts";

/** A plain reverse proxy. */
export const haproxy: Rival = {
  name: "haproxy",
  what: "plain reverse proxy, one thread",
  source: "haproxy on the PATH, else the Debian package haproxy",
  async find() {
    const onPath = Bun.which("haproxy");
    const folder = installedFolder("haproxy");
    const path =
      onPath ?? (folder === undefined ? undefined : join(folder, "root/usr/sbin/haproxy"));
    if (path === undefined) return undefined;
    const said = await askProgram([path, "-v"], libraries());
    const version = /version (\S+)/i.exec(said ?? "")?.[1];
    return version === undefined ? undefined : { path, version };
  },
  install: () =>
    unpackDebian("haproxy", [
      "haproxy",
      "liblua5.3-0",
      "libopentracing-c-wrapper0",
      "libopentracing1",
      "libpcre2-8-0",
    ]),
  start: (program, upstreamUrl) =>
    startProgram("haproxy", ({ config }) => ({
      command: [
        program.path,
        "-db",
        ...["-f", config("haproxy.cfg", { UPSTREAM: new URL(upstreamUrl).host })],
      ],
      env: libraries(),
    })),
};

/** Where its libraries lie when it was only unpacked. */
function libraries(): Record<string, string> {
  const folder = installedFolder("haproxy");
  if (folder === undefined) return {};
  const library = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
  return { LD_LIBRARY_PATH: join(folder, "root/usr/lib", library) };
}
