import type { Logger } from "@warmpath/runtime/base";
import pg from "pg";
import { columnTypes, type Sql, type SqlValue, toParameter } from "./sql.ts";
import { isCollision, isConnectionFault, storeErrorFrom } from "./store-error.ts";

/** A pool of connections to one database. */
export interface Pool extends Sql {
  /**
   * Runs `work` in one transaction and commits it. `work` awaits nothing but its own statements: on
   * the embedded database an open transaction stops everybody. It may run again after a deadlock,
   * so it has no other effects.
   */
  transaction<T>(work: (tx: Sql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** How a pool connects. */
export interface PoolOptions {
  readonly url: string;
  readonly size: number;
  /** Longest wait for a connection, in ms. */
  readonly connectMsMax: number;
  /** Longest run of one statement, in ms. */
  readonly statementMsMax: number;
  readonly log: Logger;
}

/** Tries of one transaction that collides with others. */
const collisionTriesMax = 4;

/** A pool; it connects on first use, and replaces broken connections by itself. */
export function createPool(options: PoolOptions): Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.size,
    connectionTimeoutMillis: options.connectMsMax,
    statement_timeout: options.statementMsMax,
    // The server's limit comes first; this one is for a server that no longer answers at all.
    query_timeout: options.statementMsMax + 1000,
    idleTimeoutMillis: 0,
    keepAlive: true,
    application_name: "warmpath-state",
    types: columnTypes,
  });
  // Without a listener an idle connection's end would end the process.
  pool.on("error", (error) => options.log.warn("an idle database connection broke", { error }));
  // The same for one that is in use, between two statements: the next statement fails and says so.
  pool.on("connect", (client) => client.on("error", () => undefined));
  return {
    query: (text, values) => withClient(pool, (sql) => sql.query(text, values)),
    async transaction(work) {
      for (let tries = 1; ; tries++) {
        try {
          return await withClient(pool, (sql) => runTransaction(sql, work));
        } catch (error) {
          const cause = error instanceof Error ? error.cause : undefined;
          if (!isCollision(cause) || tries >= collisionTriesMax) {
            throw error;
          }
        }
      }
    },
    close: () => pool.end(),
  };
}

async function withClient<T>(pool: pg.Pool, work: (sql: Sql) => Promise<T>): Promise<T> {
  let client: pg.PoolClient;
  try {
    client = await pool.connect();
  } catch (error) {
    throw storeErrorFrom(error, false);
  }
  let isBroken = false;
  const sql: Sql = {
    async query<Row>(text: string, values: readonly SqlValue[] = []) {
      try {
        const result = await client.query(text, values.map(toParameter));
        // The caller's Row repeats the statement's column list; the driver has no types.
        return result.rows as Row[];
      } catch (error) {
        isBroken ||= isConnectionFault(error);
        throw error;
      }
    },
  };
  try {
    return await work(sql);
  } catch (error) {
    throw storeErrorFrom(error, true);
  } finally {
    client.release(isBroken);
  }
}

async function runTransaction<T>(sql: Sql, work: (tx: Sql) => Promise<T>): Promise<T> {
  await sql.query("begin");
  let result: T;
  try {
    result = await work(sql);
  } catch (error) {
    try {
      await sql.query("rollback");
    } catch {
      // The connection is gone, and with it the transaction; the first error says more.
    }
    throw error;
  }
  await sql.query("commit");
  return result;
}
