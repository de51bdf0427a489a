import { nextTokenKey, tokenRoot } from "../prompt/token-keys.ts";
import type { BlocksStored } from "./types.ts";

/**
 * What a stored block's extra keys say beside its tokens. vLLM publishes them bare and without
 * names: the salt in a chain's first block, the adapter in every block, digests of images where
 * they stand.
 */
interface Extras {
  readonly salt: string;
  /** Neither salt nor adapter; undefined where there is nothing else. */
  readonly others: string | undefined;
}

/** The key before the first block of an event that begins a chain. */
export function rootOf(event: BlocksStored): number {
  return tokenRoot({ salt: extrasOf(event, 0, true).salt, lora: loraOf(event) });
}

/**
 * The key of block `index` of an event, after `parent`. Content that is no token (an image) gives a
 * key that no token prompt has.
 */
export function keyOf(event: BlocksStored, index: number, parent: number): number {
  const { tokenIds, blockTokens } = event;
  const key = nextTokenKey(parent, tokenIds, index * blockTokens, (index + 1) * blockTokens);
  const isFirst = index === 0 && event.parent === undefined;
  const { others } = extrasOf(event, index, isFirst);
  return others === undefined ? key : nextTokenKey(key, Buffer.from(others), 0, others.length);
}

function loraOf({ loraName, loraId }: BlocksStored): string {
  // Older engines number their adapters; 0 is none in some.
  return loraName ?? (loraId === undefined || loraId === 0 ? "" : `#${loraId}`);
}

function extrasOf(event: BlocksStored, index: number, isFirst: boolean): Extras {
  const extras = event.extraKeys?.[index];
  if (extras === undefined) return nothing;
  const rest = extras.filter((extra) => !isLora(extra, event.loraName));
  const [only] = rest;
  if (isFirst && rest.length === 1 && typeof only === "string") {
    return { salt: only, others: undefined };
  }
  if (rest.length === 0) return nothing;
  return { salt: "", others: JSON.stringify(rest, jsonSafe) };
}

const nothing: Extras = { salt: "", others: undefined };

function isLora(extra: unknown, loraName: string | undefined): boolean {
  if (loraName === undefined) return false;
  return extra === loraName || (Array.isArray(extra) && extra[0] === "lora");
}

function jsonSafe(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
