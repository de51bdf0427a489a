import { createHash } from "node:crypto";
import { WarmpathError } from "@warmpath/runtime/base";
import type { Sql } from "../store/sql.ts";
import { utf8 } from "./bytes.ts";

/** A request that must take effect once. */
export interface IdempotentRequest {
  readonly tenant: string;
  /** Empty: the caller asked for no protection. */
  readonly key: string;
  /** Everything that makes two requests the same. */
  readonly parts: readonly string[];
  /** The task that this request would name. */
  readonly taskId: string;
}

/**
 * Reserves the key in the caller's transaction. Returns the task that an earlier equal request
 * named, or undefined for the first. A concurrent equal request waits here for the first one's
 * commit. Throws
 * `rejected-idempotency-conflict` when the key was used for another request.
 */
export async function reserveKey(
  tx: Sql,
  request: IdempotentRequest,
  rememberedMs: number,
): Promise<string | undefined> {
  if (request.key === "") {
    return undefined;
  }
  const key = utf8(request.key);
  const requestHash = createHash("sha256").update(JSON.stringify(request.parts)).digest();
  const reserved = await tx.query(
    `insert into idempotency_keys as k (tenant, key, request_hash, task_id)
     values ($1, $2, $3, $4)
     on conflict (tenant, key) do update
       set request_hash = excluded.request_hash, task_id = excluded.task_id, created_at = now()
       where k.created_at < now() - $5 * interval '1 millisecond'
     returning task_id`,
    [request.tenant, key, requestHash, request.taskId, rememberedMs],
  );
  if (reserved.length > 0) {
    return undefined;
  }
  const [first] = await tx.query<{ request_hash: Uint8Array; task_id: string }>(
    "select request_hash, task_id from idempotency_keys where tenant = $1 and key = $2",
    [request.tenant, key],
  );
  if (first === undefined || !requestHash.equals(first.request_hash)) {
    throw new WarmpathError(
      "rejected-idempotency-conflict",
      "the idempotency key was used with another request in the last 24 hours",
      { fields: [{ field: "idempotencyKey", fault: "was used with another request" }] },
    );
  }
  return first.task_id;
}

/**
 * Points a reserved key at the task that took the request in, when that is another than was
 * assumed.
 */
export async function moveKey(tx: Sql, request: IdempotentRequest, taskId: string): Promise<void> {
  if (request.key !== "") {
    await tx.query("update idempotency_keys set task_id = $3 where tenant = $1 and key = $2", [
      request.tenant,
      utf8(request.key),
      taskId,
    ]);
  }
}
