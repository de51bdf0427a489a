/**
 * The embedded database's process: `bun child.ts <dataDir> <parentPid>`. It holds the lock on the
 * data directory, serves PGlite on a Unix socket inside a private directory, and ends when its
 * standard input closes, which happens at the parent's end of whatever kind.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite-pgvector";
import { exitWhenParentCloses } from "@warmpath/runtime";
import { messageOf, systemClock } from "@warmpath/runtime/base";
import { isAlive } from "./is-alive.ts";
import { type FileLock, tryLockFile } from "./lock.ts";
import { type ChildMessage, progressPrefix } from "./messages.ts";
import { serveSocket } from "./serve-socket.ts";

/** How long a dying predecessor may take to drop the lock, in ms: it closes the database first. */
const lockWaitMsMax = 4000;
/**
 * How long closing may take before the process ends anyway, in ms; an unclean end is safe, only
 * slower to open.
 */
const closeMsMax = 3000;
/** Longest Unix socket path that every platform takes, in bytes (macOS: 104 with the final NUL). */
const socketPathBytesMax = 103;
/** Connections at once: two short pools while one reconnects, and room for a debugging session. */
const connectionsMax = 16;

const [dataDir = "", parentPidText = "0"] = process.argv.slice(2);
const parentPid = Number.parseInt(parentPidText, 10);

function tell(message: ChildMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/**
 * Waits for the lock only while its holder is on its way out: its parent is dead, so it will end by
 * itself.
 */
async function lockDataDir(): Promise<FileLock> {
  const path = join(dataDir, "pglite.lock");
  const startedMs = systemClock.monotonicMs();
  for (;;) {
    const lock = tryLockFile(path, parentPid);
    if ("release" in lock) {
      return lock;
    }
    const mayEnd = lock.holderPid === 0 || !isAlive(lock.holderPid);
    if (!mayEnd || systemClock.monotonicMs() - startedMs > lockWaitMsMax) {
      tell({ kind: "in-use", holderPid: lock.holderPid });
      process.exit(1);
    }
    await systemClock.sleep(20);
  }
}

/**
 * Creates the cluster beside its final place and moves it there whole, so that no crash leaves half
 * of one.
 */
async function createCluster(path: string): Promise<void> {
  const draft = `${path}.new`;
  rmSync(draft, { recursive: true, force: true });
  process.stderr.write(
    `${progressPrefix}creating the embedded database (once, takes some seconds)\n`,
  );
  const db = await PGlite.create(draft, { extensions: { vector } });
  await db.close();
  renameSync(draft, path);
}

/**
 * The directory of the socket: in the data directory where its path is short enough, else a
 * temporary one.
 */
function makeSocketDir(): string {
  const near = join(dataDir, "run");
  const fits = Buffer.byteLength(join(near, ".s.PGSQL.5432")) <= socketPathBytesMax;
  const dir = fits ? near : join(tmpdir(), `warmpath-${process.pid}`);
  // The lock is ours, so whatever lies there is a dead predecessor's.
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return dir;
}

async function main(): Promise<void> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  await lockDataDir();
  const path = join(dataDir, "pglite");
  if (!existsSync(path)) {
    await createCluster(path);
  }
  rmSync(join(path, "postmaster.pid"), { force: true });
  const db = await PGlite.create(path, { extensions: { vector } });
  const socketDir = makeSocketDir();
  const server = await serveSocket({
    db,
    path: join(socketDir, ".s.PGSQL.5432"),
    connectionsMax,
    onFault: fail,
  });
  exitWhenParentCloses(async () => {
    void systemClock.sleep(closeMsMax).then(() => process.exit(0));
    await server.close();
    await db.close();
    rmSync(socketDir, { recursive: true, force: true });
  });
  tell({ kind: "ready", socketDir });
}

// The database cannot serve after a fault inside the WASM module: end, so that the parent sees it.
const fail = (error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(1);
};
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);

await main();
