import { createHash } from "node:crypto";
import { WarmpathError } from "@warmpath/runtime/base";
import type { Position } from "./position.ts";

/**
 * The opaque form of a {@link Position}: base64url of
 *
 * ```
 *   version │ ended │ seq      │ attempt  │ step     │ offset   │ checksum
 *   1 byte  │ 1     │ 8 bytes  │ 8        │ 4        │ 8        │ 6
 * ```
 *
 * The checksum covers the task's id, so that a cursor of another task or a damaged one is refused.
 * It is no protection against forgery and needs none: a cursor grants nothing that its task's
 * watcher may not read.
 */
const version = 1;
const bodyBytes = 30;
const checksumBytes = 6;
const pattern = /^[A-Za-z0-9_-]{48}$/;

/** Writes the cursor for this position in this task. */
export function formatCursor(taskId: string, position: Position): string {
  const bytes = Buffer.alloc(bodyBytes + checksumBytes);
  bytes.writeUInt8(version, 0);
  bytes.writeUInt8(position.isEnded ? 1 : 0, 1);
  bytes.writeBigInt64BE(position.seq, 2);
  bytes.writeBigInt64BE(position.attempt, 10);
  bytes.writeUInt32BE(position.step, 18);
  bytes.writeBigUInt64BE(BigInt(position.offsetBytes), 22);
  checksum(taskId, bytes.subarray(0, bodyBytes)).copy(bytes, bodyBytes);
  return bytes.toString("base64url");
}

/**
 * Reads a cursor back; refuses one that this task's watchers were never given, naming the field
 * `cursor`.
 */
export function parseCursor(taskId: string, cursor: string): Position {
  if (!pattern.test(cursor)) {
    throw refused("it is not one that a watch returned");
  }
  const bytes = Buffer.from(cursor, "base64url");
  if (bytes.readUInt8(0) !== version) {
    throw refused("its version is not known here");
  }
  const body = bytes.subarray(0, bodyBytes);
  if (!checksum(taskId, body).equals(bytes.subarray(bodyBytes))) {
    throw refused("it was altered, or belongs to another task");
  }
  const position = {
    isEnded: body.readUInt8(1) === 1,
    seq: body.readBigInt64BE(2),
    attempt: body.readBigInt64BE(10),
    step: body.readUInt32BE(18),
    offsetBytes: Number(body.readBigUInt64BE(22)),
  };
  if (position.seq < 0n || position.step < 1 || !Number.isSafeInteger(position.offsetBytes)) {
    throw refused("it names a place that cannot exist");
  }
  return position;
}

function checksum(taskId: string, body: Buffer): Buffer {
  const hash = createHash("sha256").update(taskId).update("\0").update(body).digest();
  return hash.subarray(0, checksumBytes);
}

function refused(fault: string): WarmpathError {
  const sentence = `cursor cannot be used: ${fault}. Leave it out to watch from the beginning.`;
  return new WarmpathError("rejected-cursor", sentence, {
    fields: [{ field: "cursor", fault }],
  });
}
