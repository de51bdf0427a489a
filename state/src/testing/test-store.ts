import { cpSync, existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@warmpath/runtime/base";
import pg from "pg";
import { type Pglite, startPglite } from "../pglite/start-pglite.ts";
import { openStore, type Store } from "../store/store.ts";

/**
 * Time that a test gives {@link openTestStore}, in ms: PGlite is busy for a second, and much longer
 * on a loaded machine.
 */
export const openMsMax = 60_000;

/** A database of its own for one test file. */
export interface TestStore {
  readonly store: Store;
  readonly databaseUrl: string;
  /** Absent on a real server. */
  readonly pglite?: Pglite;
  close(): Promise<void>;
}

/** A kind of database to run store tests on. */
export interface TestStoreKind {
  readonly name: "PGlite" | "PostgreSQL";
  /** Why the kind is not tested here, if it is not. */
  readonly skip: string | undefined;
}

/** PGlite always; a real server when its URL is given. */
export function testStoreKinds(): TestStoreKind[] {
  const url = process.env["WARMPATH_TEST_POSTGRES_URL"];
  return [
    { name: "PGlite", skip: undefined },
    {
      name: "PostgreSQL",
      skip: url === undefined ? "WARMPATH_TEST_POSTGRES_URL is not set" : undefined,
    },
  ];
}

/** Opens a fresh, migrated database of the kind. */
export async function openTestStore(
  kind: TestStoreKind["name"],
  options: { readonly poolSize?: number; readonly migrate?: boolean } = {},
): Promise<TestStore> {
  const place = kind === "PGlite" ? await placeOnPglite() : await placeOnServer();
  try {
    const store = await openStore({
      databaseUrl: place.databaseUrl,
      poolSize: options.poolSize ?? 4,
      migrate: options.migrate ?? true,
      log: silentLogger,
    });
    return {
      ...place,
      store,
      async close() {
        await store.close();
        await place.close();
      },
    };
  } catch (error) {
    await place.close();
    throw error;
  }
}

type Place = Omit<TestStore, "store">;

async function placeOnPglite(): Promise<Place> {
  const dataDir = mkdtempSync(join(tmpdir(), "warmpath-state-test-"));
  await copyTestCluster(dataDir);
  const pglite = await startPglite({ dataDir });
  return {
    databaseUrl: pglite.url,
    pglite,
    async close() {
      await pglite.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/**
 * Puts an empty cluster into a data directory. Creating one takes seconds, so one is kept for each
 * user and version, and copied.
 */
export async function copyTestCluster(dataDir: string): Promise<void> {
  const template = join(tmpdir(), `warmpath-pglite-template-${userInfo().uid}-0.5.14`);
  if (!existsSync(template)) {
    const draft = mkdtempSync(join(tmpdir(), "warmpath-pglite-draft-"));
    await (await startPglite({ dataDir: draft })).close();
    try {
      renameSync(join(draft, "pglite"), template);
    } catch {
      // Another test made it in the meantime.
    }
    rmSync(draft, { recursive: true, force: true });
  }
  cpSync(template, join(dataDir, "pglite"), { recursive: true });
}

async function placeOnServer(): Promise<Place> {
  const serverUrl = process.env["WARMPATH_TEST_POSTGRES_URL"] ?? "";
  const name = `warmpath_test_${crypto.randomUUID().replaceAll("-", "")}`;
  await runOnServer(serverUrl, `create database ${name} encoding 'UTF8' template template0`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return {
    databaseUrl: url.href,
    close: () => runOnServer(serverUrl, `drop database ${name} with (force)`),
  };
}

async function runOnServer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
