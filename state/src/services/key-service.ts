import { createHash, randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  CreateKeyResponseSchema,
  type Key,
  KeySchema,
  type KeyService,
  ListKeysResponseSchema,
  LookUpKeyResponseSchema,
  RevokeKeyResponseSchema,
} from "@warmpath/proto/state";
import { keysRevokedSubject, principalOf } from "@warmpath/runtime";
import { isId, newId, WarmpathError } from "@warmpath/runtime/base";
import { textFromUtf8, utf8 } from "../log/bytes.ts";
import type { Store } from "../store/store.ts";
import type { ServiceDeps } from "./service-deps.ts";
import { timeFromMs } from "./task-from-row.ts";

/** 32 random bytes are 43 characters of base64url. */
const secretBytes = 32;
/** A secret that somebody else chose: whatever fits into an Authorization header. */
const givenSecretPattern = /^[\x21-\x7e]{1,512}$/;

/**
 * SHA-256 of a secret. A plain hash is enough: the secret has 256 bits of chance, so it cannot be
 * searched for.
 */
export function hashSecret(secret: string): Uint8Array {
  return createHash("sha256").update(secret).digest();
}

/** A new secret: `wp_` and 43 characters. */
export function newSecret(): string {
  return `wp_${randomBytes(secretBytes).toString("base64url")}`;
}

interface KeyRow {
  readonly tenant: string;
  readonly key_id: string;
  readonly user_id: Uint8Array;
  readonly label: Uint8Array;
  readonly requests_per_minute: number;
  readonly concurrent_tasks: number;
  readonly conversation_messages: number;
  readonly created_at: number;
  readonly revoked_at: number | null;
}

const keyColumns = `tenant, key_id, user_id, label, requests_per_minute, concurrent_tasks,
  conversation_messages, created_at, revoked_at`;

/** Largest limit that a column takes. */
const limitMax = 2 ** 31 - 1;

/** `state.v1.KeyService`. */
export function createKeyService(deps: ServiceDeps): ServiceImpl<typeof KeyService> {
  const { write } = deps.store;
  return {
    async lookUpKey({ secretHash }, context) {
      assertService(principalOf(context).keyId);
      const [row] = await write.query<KeyRow>(
        `select ${keyColumns} from api_keys where secret_hash = $1 and revoked_at is null`,
        [secretHash],
      );
      if (row === undefined) {
        throw keyNotFound();
      }
      return create(LookUpKeyResponseSchema, { key: keyFromRow(row) });
    },
    async createKey({ user, label, limits }, context) {
      const { tenant } = principalOf(context);
      const secret = newSecret();
      const [row] = await write.query<KeyRow>(
        `insert into api_keys (tenant, key_id, user_id, label, secret_hash, requests_per_minute,
           concurrent_tasks, conversation_messages)
         values ($1, $2, $3, $4, $5, $6, $7, $8) returning ${keyColumns}`,
        [
          tenant,
          newId("key"),
          utf8(user),
          utf8(label),
          hashSecret(secret),
          Math.min(limits?.requestsPerMinute ?? 0, limitMax),
          Math.min(limits?.concurrentTasks ?? 0, limitMax),
          Math.min(limits?.conversationMessages ?? 0, limitMax),
        ],
      );
      return create(
        CreateKeyResponseSchema,
        row === undefined ? {} : { key: keyFromRow(row), secret },
      );
    },
    async listKeys(_request, context) {
      const rows = await deps.store.read.query<KeyRow>(
        `select ${keyColumns} from api_keys where tenant = $1 order by key_id desc`,
        [principalOf(context).tenant],
      );
      return create(ListKeysResponseSchema, { keys: rows.map(keyFromRow) });
    },
    async revokeKey({ keyId }, context) {
      const { tenant } = principalOf(context);
      const rows = isId("key", keyId)
        ? await write.query(
            `update api_keys set revoked_at = coalesce(revoked_at, now())
             where tenant = $1 and key_id = $2 returning key_id`,
            [tenant, keyId],
          )
        : [];
      if (rows.length === 0) {
        throw keyNotFound();
      }
      deps.bus.publish(keysRevokedSubject(), utf8(keyId));
      return create(RevokeKeyResponseSchema);
    },
  };
}

/**
 * Makes sure that a given secret works, as for the development key at start. Returns the key's id.
 * A revoked one is made valid again: whoever configures the secret means it.
 */
export async function ensureKey(
  store: Store,
  secret: string,
  tenant: string,
  user: string,
): Promise<string> {
  if (!givenSecretPattern.test(secret)) {
    throw new WarmpathError(
      "rejected-config",
      "the development key must be 1 to 512 printable ASCII characters without spaces, as a header can carry",
    );
  }
  const [row] = await store.write.query<{ key_id: string }>(
    `insert into api_keys as k (tenant, key_id, user_id, label, secret_hash)
     values ($1, $2, $3, $4, $5)
     on conflict (secret_hash) do update set revoked_at = null
     returning key_id`,
    [tenant, newId("key"), utf8(user), utf8("development"), hashSecret(secret)],
  );
  return row?.key_id ?? "";
}

function assertService(keyId: string): void {
  if (keyId !== "") {
    throw new WarmpathError(
      "rejected-permission",
      "only a service acting for itself looks up keys",
    );
  }
}

function keyNotFound(): WarmpathError {
  return new WarmpathError("rejected-not-found", "there is no such key, or it is revoked");
}

function keyFromRow(row: KeyRow): Key {
  return create(KeySchema, {
    keyId: row.key_id,
    tenant: row.tenant,
    user: textFromUtf8(row.user_id),
    label: textFromUtf8(row.label),
    limits: {
      requestsPerMinute: row.requests_per_minute,
      concurrentTasks: row.concurrent_tasks,
      conversationMessages: row.conversation_messages,
    },
    createTime: timeFromMs(row.created_at),
    ...(row.revoked_at === null ? {} : { revokeTime: timeFromMs(row.revoked_at) }),
  });
}
