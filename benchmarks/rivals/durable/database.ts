import { SQL } from "bun";

/** What a PostgreSQL has done so far, and how it keeps its promises. */
export interface DatabaseCounters {
  readonly commits: number;
  readonly walBytes: number;
  readonly fsync: string;
  readonly synchronousCommit: string;
  readonly version: string;
}

/** Reads the counters of a whole server, all its databases together. */
export async function readDatabase(url: string): Promise<DatabaseCounters> {
  const sql = new SQL(url, { max: 1 });
  try {
    const [row] = await sql`
      select (select sum(xact_commit) from pg_stat_database)::float8 as commits,
             pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as "walBytes",
             current_setting('fsync') as fsync,
             current_setting('synchronous_commit') as "synchronousCommit",
             current_setting('server_version') as version`;
    // The columns of the query above.
    return row as DatabaseCounters;
  } finally {
    await sql.close();
  }
}
