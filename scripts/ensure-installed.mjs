// What must hold before any TypeScript of this repository can run: the packages of the lockfile,
// and a Bun that starts. Plain Node and no dependencies, because nothing else exists yet.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout's root, whatever the caller's working directory is. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const nodeMajorMin = 20;
// One Ctrl-C reaches this process twice, from the terminal and from npm: both are one wish.
const sameSignalMs = 300;
const parentCheckMs = 500;

/**
 * Says what is missing, and why, from the two lockfiles' texts: the tracked one, and the one npm
 * leaves inside node_modules. Undefined when the installed tree is what the lockfile names.
 */
export function installFault({ lockfile, stamp, installed }) {
  if (installed === undefined) return "no packages are installed yet";
  if (stamp === hashOf(lockfile)) return undefined;
  const want = JSON.parse(lockfile).packages;
  const have = JSON.parse(installed).packages;
  for (const [path, entry] of Object.entries(want)) {
    // Workspaces are links to folders of the checkout; an optional package may be for another system.
    if (!path.startsWith("node_modules/") || entry.link || entry.optional) continue;
    if (have[path]?.version !== entry.version || have[path]?.integrity !== entry.integrity) {
      return `${path.replace(/^.*node_modules\//, "")} is not the one in package-lock.json`;
    }
  }
  return undefined;
}

/** Installs what is missing and makes Bun start; quiet and fast when there is nothing to do. */
export function ensureInstalled() {
  const nodeMajor = Number(process.versions.node.split(".")[0]);
  if (nodeMajor < nodeMajorMin) {
    fail(`Node ${nodeMajorMin} or newer is needed, and this is ${process.versions.node}.`);
  }
  const stampPath = join(root, "node_modules", ".warmpath-installed");
  const lockfile = readFileSync(join(root, "package-lock.json"), "utf8");
  const stamp = readIfExists(stampPath);
  const installed = readIfExists(join(root, "node_modules", ".package-lock.json"));
  const fault = installFault({ lockfile, stamp, installed });
  if (fault !== undefined) {
    process.stderr.write(`Installing the packages of package-lock.json (${fault}) …\n`);
    runOrFail(npmCommand(), ["ci", "--no-fund", "--no-audit", "--loglevel=error"], "npm ci failed");
  }
  ensureBunStarts();
  if (stamp !== hashOf(lockfile)) writeFileSync(stampPath, hashOf(lockfile));
}

/** Runs Bun on a script of this checkout in place of this process: its signals, input and exit code. */
export function execBun(args) {
  const child = spawn(bunPath(), ["--preload", join(root, "scripts/end-with-parent.ts"), ...args], {
    cwd: process.cwd(),
    stdio: "inherit",
    // In a group of its own the child hears only what is forwarded: a second signal means "now".
    detached: process.platform !== "win32",
    env: {
      ...process.env,
      // fetch admits 256 requests at a time by default, and queues the others silently; this is its limit.
      BUN_CONFIG_MAX_HTTP_REQUESTS: process.env.BUN_CONFIG_MAX_HTTP_REQUESTS ?? "65535",
      // Memory of one large body serves the next: given back at once, each of its pages is faulted in again.
      MIMALLOC_PURGE_DELAY: process.env.MIMALLOC_PURGE_DELAY ?? "10000",
      DO_NOT_TRACK: "1",
    },
  });
  forwardSignals(child);
  if (process.env.npm_lifecycle_event !== undefined) endWithNpm(child);
  child.on("error", (error) => fail(`Bun did not start: ${error.message}`));
  child.on("exit", (code, signal) => {
    process.exit(signal === null ? code : 128 + constants.signals[signal]);
  });
}

function forwardSignals(child) {
  let lastMs = Number.NEGATIVE_INFINITY;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      const nowMs = performance.now();
      if (nowMs - lastMs < sameSignalMs) return;
      lastMs = nowMs;
      child.kill(signal);
    });
  }
}

/**
 * An npm that is killed outright forwards nothing; what it started would go on without it. Outside
 * npm a parent may leave on purpose: that is how a shell puts a command in the background.
 */
function endWithNpm(child) {
  const parentAtStart = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parentAtStart) return;
    clearInterval(timer);
    child.kill("SIGTERM");
  }, parentCheckMs);
  timer.unref();
}

/** npm gives the package without running its install script, so the binary is put in place here. */
function ensureBunStarts() {
  const want = JSON.parse(
    readFileSync(join(root, "node_modules/bun/package.json"), "utf8"),
  ).version;
  if (bunVersion() === want) return;
  process.stderr.write("Putting the Bun binary in place …\n");
  const installer = join(root, "node_modules/bun/install.js");
  runOrFail(process.execPath, [installer], "Bun could not be put in place");
  if (bunVersion() !== want) {
    fail(`Bun ${want} does not start on this system (${process.platform} ${process.arch}).`);
  }
}

function bunVersion() {
  const result = spawnSync(bunPath(), ["--version"], { encoding: "utf8" });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

function bunPath() {
  return join(root, "node_modules/bun/bin/bun.exe");
}

/** Inside `npm start` the npm that runs is the one to use; elsewhere, the one on PATH. */
function npmCommand() {
  const npm = process.env.npm_execpath;
  return npm?.endsWith("npm-cli.js") && existsSync(npm) ? npm : "npm";
}

function runOrFail(command, args, complaint) {
  const script = command.endsWith(".js");
  const result = spawnSync(
    script ? process.execPath : command,
    script ? [command, ...args] : args,
    { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] },
  );
  if (result.status === 0) return;
  fail(`${complaint}: ${result.error?.message ?? `${result.stdout}${result.stderr}`.trim()}`);
}

function readIfExists(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

function hashOf(text) {
  return createHash("sha256").update(text).digest("hex");
}

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
