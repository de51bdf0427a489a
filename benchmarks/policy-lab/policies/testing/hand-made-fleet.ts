import { seededRandom } from "@warmpath/runtime/base";
import type { BlockChain, BlockKey, CacheEvent } from "../../../engine/types.ts";
import type { Policy, PolicyContext, PolicyRun, ReplicaView, RoutedRequest } from "../../types.ts";

export const blockTokens = 16;
const blocksDefault = 1000;

/**
 * A chain of named parts, e.g. `["system:64", "ann:32"]`: parts of equal names after equal parts
 * have equal keys. Token counts are multiples of 16.
 */
export function chainOf(parts: readonly string[]): BlockChain & { readonly tokens: number } {
  const keys: BlockKey[] = [];
  let path = "";
  for (const part of parts) {
    const tokens = Number(part.split(":")[1]);
    path += `/${part.split(":")[0]}`;
    for (let block = 0; block < tokens / blockTokens; block++) {
      keys.push(Number(Bun.hash.wyhash(`${path}#${block}`) & 0xfffffffffffffn));
    }
  }
  const past = Number(Bun.hash.wyhash(`${path}#answer`) & 0xffffffffffffn);
  return {
    blockTokens,
    tokens: keys.length * blockTokens,
    key: (index) => keys[index] ?? past + index,
  };
}

let nextId = 1;

/** A request whose prompt is those parts and nothing more. */
export function requestOf(
  parts: readonly string[],
  overrides: Partial<RoutedRequest> = {},
): RoutedRequest {
  const chain = chainOf(parts);
  return {
    id: nextId++,
    sessionId: "session",
    tenant: "tenant",
    sloClass: "agent",
    turn: 0,
    chain,
    promptTokens: chain.tokens,
    ...overrides,
  };
}

/** Idle, healthy replicas, changed as wanted. */
export function replicaViews(
  count: number,
  changes: Readonly<Record<number, Partial<ReplicaView>>> = {},
): ReplicaView[] {
  return Array.from({ length: count }, (_, index) => ({
    index,
    healthy: true,
    running: 0,
    waiting: 0,
    kvUsage: 0,
    blocks: blocksDefault,
    blockTokens,
    ...changes[index],
  }));
}

export function startPolicy(
  policy: Pick<Policy, "start">,
  replicas: number,
  overrides: Partial<PolicyContext> = {},
): PolicyRun {
  return policy.start({
    replicas,
    blockTokens,
    blocks: Array.from({ length: replicas }, () => blocksDefault),
    random: seededRandom(1),
    truth: () => ({ cachedTokens: () => 0, outstandingSeconds: () => 0 }),
    ...overrides,
  });
}

/** The events by which an engine tells that it now holds those parts. */
export function storedEvents(parts: readonly string[]): CacheEvent[] {
  const chain = chainOf(parts);
  const keys = Array.from({ length: chain.tokens / blockTokens }, (_, index) => chain.key(index));
  return [{ type: "stored", requestId: 0, firstBlock: 0, keys, parentKey: undefined }];
}
