import { reasonOf, secondBest } from "./receipt-book.ts";
import type { Decision, Receipt } from "./types.ts";

/*
 * One receipt as a line of JSON. With its prompt keys, sizes and times a day's file says enough to
 * place the same requests by another policy; of texts, tenants and sessions it holds hashes only.
 * Prompt keys are a secret of the process that made them: they tell equal prefixes within one run.
 */

/** The format's version; a reader refuses what it does not know. */
export const receiptVersion = 1;

/** The line, without its end. */
export function receiptLine(receipt: Receipt): string {
  const {
    tenant,
    session,
    parent,
    sessionStated: _text,
    promptKeys,
    decisions,
    outcome,
    ...facts
  } = receipt;
  return JSON.stringify({
    v: receiptVersion,
    ...facts,
    tenant: hashOf(tenant),
    session: session === "" ? undefined : hashOf(session),
    parent: parent === undefined ? undefined : hashOf(parent),
    ...thinned(promptKeys),
    decisions: decisions.map(decisionOf),
    ...outcome,
  });
}

function decisionOf(decision: Decision): Record<string, unknown> {
  const { atMs, replica, waitedMs, cachedTokensExpected, consider } = decision;
  const candidates = consider?.() ?? [];
  return {
    atMs,
    replica,
    waitedMs: Math.round(waitedMs * 10) / 10,
    cachedTokensExpected,
    secondBest: secondBest(replica, candidates)?.endpoint,
    reason: reasonOf(decision),
    candidates,
  };
}

/** Keys of one line: those of 2 MB of text, or of 32,000 tokens given as ids. */
const keysMax = 2048;

/**
 * Of longer prompts every second key, or fourth, and so on; and always the last one. Keys are
 * chained: each stands for all before it, so thinned ones tell equal prefixes less finely.
 */
function thinned(keys: ArrayLike<number>) {
  let keyStride = 1;
  while (keys.length / keyStride > keysMax) {
    keyStride *= 2;
  }
  if (keyStride === 1) {
    return { promptKeys: Array.from(keys) };
  }
  const some = Array.from(keys).filter((_, index) => (index + 1) % keyStride === 0);
  return { promptKeys: [...some, keys[keys.length - 1]], keyStride };
}

/** Stable over days and processes, so that a tenant's requests can be told to be one's. */
function hashOf(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex").slice(0, 16);
}
