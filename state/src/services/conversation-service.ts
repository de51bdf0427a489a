import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type ConversationService,
  GetConversationResponseSchema,
  type ListConversationsRequest,
  ListConversationsResponseSchema,
} from "@warmpath/proto/state";
import { type Principal, principalOf } from "@warmpath/runtime";
import { hex, textFromUtf8, utf8 } from "../log/bytes.ts";
import { readConversation } from "../log/conversations.ts";
import { readMessages } from "../log/read.ts";
import type { SqlValue } from "../store/sql.ts";
import { formatPageToken, parsePageToken } from "./page-token.ts";
import type { ServiceDeps } from "./service-deps.ts";
import { timeFromMs } from "./task-from-row.ts";

const pageSizeDefault = 50;

/** `state.v1.ConversationService`. */
export function createConversationService(
  deps: ServiceDeps,
): ServiceImpl<typeof ConversationService> {
  const { store } = deps;
  return {
    async getConversation({ threadId }, context) {
      const { tenant, user } = principalOf(context);
      const hashes = await readConversation(store.write, tenant, user, threadId);
      const messages = await readMessages(store.write, tenant, hashes);
      return create(GetConversationResponseSchema, {
        messages: hashes.flatMap((hash) => messages.get(hex(hash)) ?? []),
      });
    },
    listConversations: (request, context) => listConversations(deps, principalOf(context), request),
  };
}

interface ConversationRow {
  readonly thread_id: Uint8Array;
  readonly message_count: number;
  readonly updated_at: number;
  /** The time to the microsecond, which a number of milliseconds would cut. */
  readonly updated_text: string;
}

async function listConversations(
  deps: ServiceDeps,
  principal: Principal,
  request: ListConversationsRequest,
) {
  const size = request.pageSize === 0 ? pageSizeDefault : request.pageSize;
  const scope = ["conversations", principal.tenant, principal.user];
  const after = parsePageToken(request.pageToken, scope, 2);
  const values: SqlValue[] = [principal.tenant, utf8(principal.user), size + 1];
  if (after !== undefined) {
    values.push(after[0] ?? "", Buffer.from(after[1] ?? "", "hex"));
  }
  const rows = await deps.store.read.query<ConversationRow>(
    `select thread_id, message_count, updated_at, updated_at::text as updated_text
     from conversations where tenant = $1 and user_id = $2
       ${after === undefined ? "" : "and (updated_at < $4::timestamptz or updated_at = $4::timestamptz and thread_id > $5)"}
     order by updated_at desc, thread_id limit $3`,
    values,
  );
  const page = rows.slice(0, size);
  const last = page.at(-1);
  return create(ListConversationsResponseSchema, {
    conversations: page.map((row) => ({
      threadId: textFromUtf8(row.thread_id),
      messageCount: row.message_count,
      updateTime: timeFromMs(row.updated_at),
    })),
    nextPageToken:
      rows.length > size && last !== undefined
        ? formatPageToken([last.updated_text, hex(last.thread_id)], scope)
        : "",
  });
}
