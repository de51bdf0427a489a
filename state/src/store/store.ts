import { type Logger, WarmpathError } from "@warmpath/runtime/base";
import { assertMigrated, migrate, readMigrations } from "./migrate.ts";
import { createPool, type Pool } from "./pool.ts";
import type { Sql } from "./sql.ts";

/** The record: one database, with a handle for writes and one for reads that may lag. */
export interface Store {
  readonly write: Pool;
  /** May be a replica: only for answers that need not hold the caller's own last write. */
  readonly read: Sql;
  /** True for PGlite, which has one session for all connections. */
  readonly isEmbedded: boolean;
  /** False where pgvector is missing: knowledge is then searched by words alone. */
  readonly hasVectors: boolean;
  /** Throws when the database does not answer. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

/** How to open the store. */
export interface StoreOptions {
  readonly databaseUrl: string;
  /** A replica for reads; absent: the same database. */
  readonly readUrl?: string | undefined;
  /** Connections; PGlite always gets one. */
  readonly poolSize: number;
  /** True only for the state service; others refuse a schema that is older than they need. */
  readonly migrate: boolean;
  readonly log: Logger;
  /** Longest run of one statement, in ms. Default 10 s. */
  readonly statementMsMax?: number;
  /** Longest wait for a connection, in ms. Default 5 s. */
  readonly connectMsMax?: number;
}

const statementMsMaxDefault = 10_000;
const connectMsMaxDefault = 5_000;

/** Opens the store and brings its schema up to date, or checks it. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const common = {
    log: options.log,
    statementMsMax: options.statementMsMax ?? statementMsMaxDefault,
    connectMsMax: options.connectMsMax ?? connectMsMaxDefault,
  };
  let pool = createPool({ ...common, url: options.databaseUrl, size: 1 });
  try {
    const isEmbedded = await isPglite(pool);
    if (!isEmbedded && options.poolSize > 1) {
      await pool.close();
      pool = createPool({ ...common, url: options.databaseUrl, size: options.poolSize });
    }
    const migrations = readMigrations();
    if (options.migrate) {
      await migrate(pool, migrations, options.log);
    } else {
      await assertMigrated(pool, migrations);
    }
    const hasVectors = await hasTable(pool, "passage_vectors");
    const readPool =
      options.readUrl === undefined
        ? pool
        : createPool({ ...common, url: options.readUrl, size: options.poolSize });
    return assemble(pool, readPool, { isEmbedded, hasVectors });
  } catch (error) {
    await pool.close();
    throw error;
  }
}

function assemble(
  write: Pool,
  read: Pool,
  facts: { isEmbedded: boolean; hasVectors: boolean },
): Store {
  return {
    ...facts,
    write,
    read,
    async ready() {
      await write.query("select 1");
    },
    async close() {
      await write.close();
      if (read !== write) {
        await read.close();
      }
    },
  };
}

async function isPglite(sql: Sql): Promise<boolean> {
  const [row] = await sql.query<{ version: string; encoding: string }>(
    "select version() as version, current_setting('server_encoding') as encoding",
  );
  if (row?.encoding !== "UTF8") {
    throw new WarmpathError(
      "rejected-precondition",
      `the database's encoding is ${row?.encoding}; create it with UTF8`,
    );
  }
  return row.version.includes("PGlite");
}

async function hasTable(sql: Sql, name: string): Promise<boolean> {
  const [row] = await sql.query<{ found: boolean }>("select to_regclass($1) is not null as found", [
    name,
  ]);
  return row?.found === true;
}
