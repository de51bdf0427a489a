import { uuidv7obj } from "uuidv7";

/** What an id names; the prefix is part of the id, so that a wrong kind is seen at a glance. */
export type IdPrefix = "task" | "run" | "key" | "call" | "req" | "worker" | "thread" | "sess";

/**
 * A new id in `[a-z0-9_]`: prefix, underscore, 32 hex digits of a UUIDv7, so ids of one kind sort
 * by time.
 */
export function newId(prefix: IdPrefix): string {
  return `${prefix}_${hexOfUuid()}`;
}

/** True for text that {@link newId} could have made with this prefix. */
export function isId(prefix: IdPrefix, text: string): boolean {
  return (
    text.length === prefix.length + 33 &&
    text.startsWith(`${prefix}_`) &&
    /^[0-9a-f]{32}$/.test(text.slice(-32))
  );
}

/** The page makes ids too, where there is no Bun; where there is, its own cost a third. */
const hexOfUuid = typeof Bun === "undefined" ? () => uuidv7obj().toHex() : hexOfBunUuid;

function hexOfBunUuid(): string {
  const uuid = Bun.randomUUIDv7();
  const digits = uuid.slice(0, 8) + uuid.slice(9, 13) + uuid.slice(14, 18);
  return digits + uuid.slice(19, 23) + uuid.slice(24);
}
