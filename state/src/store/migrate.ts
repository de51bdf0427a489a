import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Logger, WarmpathError } from "@warmpath/runtime/base";
import type { Pool } from "./pool.ts";
import type { Sql } from "./sql.ts";
import { sqlStateOf } from "./store-error.ts";

/** One step of the schema. Forward only; a published one never changes. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  readonly sql: string;
}

/** The migrations of this code, in order, from `src/migrations/NNNN_name.sql`. */
export function readMigrations(
  folder = fileURLToPath(new URL("../migrations/", import.meta.url)),
): Migration[] {
  const names = readdirSync(folder).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name));
  return names.sort().map((name) => {
    const sql = readFileSync(`${folder}/${name}`, "utf8");
    const checksum = createHash("sha256").update(sql).digest("hex");
    return { version: Number(name.slice(0, 4)), name: name.slice(0, -4), checksum, sql };
  });
}

/**
 * Brings the schema up to `migrations`, in one transaction. Concurrent callers take turns by the
 * table's lock. Throws `rejected-migration` when an applied migration has another checksum.
 */
export async function migrate(
  pool: Pool,
  migrations: readonly Migration[],
  log: Logger,
): Promise<void> {
  // The usual start: all is there, and no lock needs to be waited for.
  if (missing(await applied(pool), migrations).length === 0) {
    return;
  }
  await createLedger(pool);
  await pool.transaction(async (tx) => {
    await tx.query("lock table schema_migrations in access exclusive mode");
    for (const migration of missing(await applied(tx), migrations)) {
      await tx.query(migration.sql);
      await tx.query(
        "insert into schema_migrations (version, name, checksum) values ($1, $2, $3)",
        [migration.version, migration.name, migration.checksum],
      );
      log.info("applied a migration", { migration: migration.name });
    }
  });
}

/**
 * Throws `rejected-precondition` when the schema is older than this code needs. A newer one is
 * fine.
 */
export async function assertMigrated(pool: Pool, migrations: readonly Migration[]): Promise<void> {
  const open = missing(await applied(pool), migrations);
  if (open.length > 0) {
    throw new WarmpathError(
      "rejected-precondition",
      `the database's schema is older than this code: it lacks ${open.map(({ name }) => name).join(", ")}; ` +
        "start the state service first, which alone migrates",
    );
  }
}

interface AppliedRow {
  version: number;
  name: string;
  checksum: string;
}

async function applied(sql: Sql): Promise<AppliedRow[]> {
  try {
    return await sql.query<AppliedRow>("select version, name, checksum from schema_migrations");
  } catch (error) {
    const undefinedTable = "42P01";
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    if (sqlStateOf(cause) === undefinedTable) {
      return [];
    }
    throw error;
  }
}

function missing(rows: readonly AppliedRow[], migrations: readonly Migration[]): Migration[] {
  const byVersion = new Map(rows.map((row) => [row.version, row]));
  return migrations.filter((migration) => {
    const row = byVersion.get(migration.version);
    if (row !== undefined && row.checksum !== migration.checksum) {
      throw new WarmpathError(
        "rejected-migration",
        `migration ${migration.name} was applied to this database with other contents (as ${row.name}); ` +
          "a published migration never changes: restore it and add a new one",
      );
    }
    return row === undefined;
  });
}

async function createLedger(pool: Pool): Promise<void> {
  try {
    await pool.query(
      `create table if not exists schema_migrations (
         version integer primary key, name text not null, checksum text not null,
         applied_at timestamptz not null default now())`,
    );
  } catch (error) {
    // Two first starters can collide in the catalogue even with "if not exists": the other one made
    // it.
    const cause = error instanceof Error ? error.cause : undefined;
    if (!["23505", "42P07", "42710"].includes(sqlStateOf(cause) ?? "")) {
      throw error;
    }
  }
}
