import { textFromUtf8, utf8 } from "../log/bytes.ts";
import type { Store } from "../store/store.ts";

/** Names in one answer: with 1024 bytes each they stay far below the largest message. */
const sourcesMax = 1_000;

/** Names of a tenant's sources that sort after `after`, in order. */
export async function listSources(store: Store, tenant: string, after: string): Promise<string[]> {
  // From the primary: a replica that lags would name what was just removed, or miss what was put.
  const rows = await store.write.query<{ source: Uint8Array }>(
    `select distinct source from passages
     where tenant = $1 and source > $2 order by source limit $3`,
    [tenant, utf8(after), sourcesMax],
  );
  return rows.map(({ source }) => textFromUtf8(source));
}
