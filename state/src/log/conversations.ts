import type { Sql } from "../store/sql.ts";
import { utf8 } from "./bytes.ts";
import type { EndedTask } from "./end-effects.ts";
import type { PreparedAppend } from "./prepare-append.ts";

/** Adds what ended tasks say to their conversations, whose rows the caller has locked. */
export async function appendToConversations(
  tx: Sql,
  ended: readonly (EndedTask & { readonly append: PreparedAppend })[],
): Promise<void> {
  const speaking = ended.filter(
    (task) => task.thread_id !== null && task.append.conversation.length > 0,
  );
  const rows = speaking.flatMap((task) =>
    task.append.conversation.map((hash, index) => ({ task, hash, index })),
  );
  if (rows.length === 0) {
    return;
  }
  await tx.query(
    `with said as (
       select tenant, user_id, thread_id, hash,
         row_number() over (partition by tenant, user_id, thread_id order by ordinality) as nth
       from unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[])
         with ordinality as s (tenant, user_id, thread_id, hash, ordinality)
     ), grown as (
       update conversations c set message_count = c.message_count + n.count,
         updated_at = clock_timestamp()
       from (select tenant, user_id, thread_id, count(*)::integer as count from said
             group by tenant, user_id, thread_id) n
       where c.tenant = n.tenant and c.user_id = n.user_id and c.thread_id = n.thread_id
       returning c.tenant, c.user_id, c.thread_id, c.message_count - n.count as before
     )
     insert into conversation_messages (tenant, user_id, thread_id, position, hash)
     select tenant, user_id, thread_id, before + nth, hash
     from said join grown using (tenant, user_id, thread_id)`,
    [
      rows.map(({ task }) => task.tenant),
      rows.map(({ task }) => task.user_id),
      rows.map(({ task }) => task.thread_id),
      rows.map(({ hash }) => hash),
    ],
  );
}

/** Hashes of a conversation's messages, oldest first. */
export async function readConversation(
  sql: Sql,
  tenant: string,
  user: string,
  threadId: string,
): Promise<Uint8Array[]> {
  const rows = await sql.query<{ hash: Uint8Array }>(
    `select hash from conversation_messages
     where tenant = $1 and user_id = $2 and thread_id = $3 order by position`,
    [tenant, utf8(user), utf8(threadId)],
  );
  return rows.map((row) => row.hash);
}
