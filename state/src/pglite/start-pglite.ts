import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Child, spawnChild } from "@warmpath/runtime";
import {
  type Clock,
  type Logger,
  silentLogger,
  systemClock,
  timeoutSignal,
  WarmpathError,
} from "@warmpath/runtime/base";
import { type ChildMessage, progressPrefix } from "./messages.ts";

/** A running embedded database. */
export interface Pglite {
  /** Connection URL for `openStore`: a Unix socket that only this user can reach. */
  readonly url: string;
  readonly pid: number;
  /**
   * Resolves when the process ends by itself, not by `close`, with a sentence. The store is then
   * gone for good.
   */
  readonly ended: Promise<string>;
  /** Closes the database and waits for the process; kills it after `graceMs` (default 5 s). */
  close(graceMs?: number): Promise<void>;
}

/** How to start the embedded database. */
export interface PgliteOptions {
  /** Holds `pglite/` (the cluster), `pglite.lock` and `run/` (the socket). Created when missing. */
  readonly dataDir: string;
  readonly log?: Logger;
  readonly clock?: Clock;
  /** Told of slow work in a sentence, such as the first creation. */
  readonly onProgress?: (text: string) => void;
  /**
   * Longest wait for readiness, in ms. Default 60 s: the first creation takes 3 to 9 s, and more on
   * a slow disk.
   */
  readonly startMsMax?: number;
}

const startMsMaxDefault = 60_000;
const closeMsMaxDefault = 5_000;

/**
 * Starts PGlite in a child process that ends with this one, however this one ends. Throws
 * `rejected-data-dir-in-use` when another process holds the directory.
 */
export async function startPglite(options: PgliteOptions): Promise<Pglite> {
  const dataDir = resolve(options.dataDir);
  const log = options.log ?? silentLogger;
  const ended = Promise.withResolvers<string>();
  const child = await spawnChild({
    script: fileURLToPath(new URL("./child.ts", import.meta.url)),
    args: [dataDir, String(process.pid)],
    onLine(line) {
      if (line.startsWith(progressPrefix)) {
        options.onProgress?.(line.slice(progressPrefix.length));
      }
      log.info("embedded database", { line });
    },
    onExit: (status) => ended.resolve(`the embedded database ended (${status})`),
  });
  try {
    const socketDir = await socketDirOf(child, dataDir, options);
    return {
      url: `postgresql://postgres@${encodeURIComponent(socketDir)}/postgres`,
      pid: child.pid,
      ended: ended.promise,
      close: (graceMs = closeMsMaxDefault) => child.stop(graceMs),
    };
  } catch (error) {
    await child.stop(0);
    throw error;
  }
}

async function socketDirOf(child: Child, dataDir: string, options: PgliteOptions): Promise<string> {
  const limit = timeoutSignal(
    options.clock ?? systemClock,
    options.startMsMax ?? startMsMaxDefault,
  );
  const tooLate = new Promise<never>((_, reject) => {
    limit.signal.addEventListener("abort", () =>
      reject(
        new WarmpathError("failed-child", "the embedded database did not become ready in time"),
      ),
    );
  });
  try {
    // The first line is our own child's, in the form that both sides share.
    const message = JSON.parse(await Promise.race([child.ready, tooLate])) as ChildMessage;
    if (message.kind === "in-use") {
      throw dataDirInUse(dataDir, message.holderPid);
    }
    return message.socketDir;
  } finally {
    limit.cancel();
  }
}

function dataDirInUse(dataDir: string, holderPid: number): WarmpathError {
  const holder = holderPid === 0 ? "another process" : `process ${holderPid}`;
  return new WarmpathError(
    "rejected-data-dir-in-use",
    `the data directory ${dataDir} is in use by ${holder}; stop it, or give another with --data-dir`,
  );
}
