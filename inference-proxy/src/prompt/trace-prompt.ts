import { type History, keyOf } from "./history.ts";
import type { PromptTrace } from "./link-session.ts";
import { isSystemRole, roleOf } from "./message.ts";
import { mixKey, mixKeys } from "./mix.ts";
import type { NameKeys } from "./name-keys.ts";
import { recentMessages } from "./recent-messages.ts";
import { type BodyScan, findMember } from "./scan-body.ts";
import { noMessages, type PromptHeads } from "./session-store.ts";
import { type HeaderReader, readSessionHints, type StatedSession } from "./stated-session.ts";
import { tokenKeys, tokenRoot } from "./token-keys.ts";
import type { HashBytes } from "./types.ts";

/** A body whose prompt has been found in it. */
export interface PromptScan extends BodyScan {
  readonly tenant: string;
  /** Undefined where the body has none that is an array or a string. */
  readonly history: History | undefined;
  /** Undefined where the prompt is not given as token ids. */
  readonly tokens: Uint32Array | undefined;
}

/** Whose prompt it is, and for whom. */
export interface PromptOwner {
  readonly model: string;
  /** The cache salt as the engine gets it; empty where it gets none. */
  readonly salt: string;
  /** Name of the LoRA adapter, where the model is one; else empty. */
  readonly lora: string;
  /** Undefined where the request came without any. */
  readonly headers: HeaderReader | undefined;
  /** A session named outside headers and body; empty: none. */
  readonly sessionId: string;
}

/** Members that chat templates put before the messages, whatever the body's order. */
const toolNames = ["tools", "functions", "documents", "chat_template"] as const;
const systemNames = ["system", "instructions"] as const;

/** What sessions and keys are found by: the names that this prompt has in every chain. */
export function tracePrompt(
  scan: PromptScan,
  owner: PromptOwner,
  {
    hash,
    names,
    blockTokens,
  }: { readonly hash: HashBytes; readonly names: NameKeys; readonly blockTokens: number },
): PromptTrace {
  const { tenant, bytes, tokens } = scan;
  const history = scan.history ?? noHistory;
  const hints = readSessionHints(owner.headers, scan);
  const stated: StatedSession | undefined =
    owner.sessionId === ""
      ? hints.stated
      : { id: owner.sessionId, source: "body", parentId: undefined };
  const group = stated === undefined ? names.keyOf("g", hints.group) : names.keyOf("s", stated.id);
  const scope = mixKey(group, names.keyOf(tenant, owner.model));
  const heads = headsOf(hash, scan, history, owner.salt, scope);
  const keys =
    tokens === undefined
      ? mixKeys(history.chunkKeys, rootOf(names, owner, heads))
      : tokenKeys(tokenRoot({ salt: owner.salt, lora: owner.lora }), tokens, blockTokens);
  const hasMessages = tokens === undefined && !history.isText;
  const marks = hasMessages ? mixKeys(history.endKeys, scope) : mixKeys(keys, scope);
  return {
    tenant,
    scope,
    stated,
    keys,
    marks,
    heads,
    history,
    bytes,
    recent: (count, before) =>
      hasMessages
        ? recentMessages({ hash, bytes, history, scope, marks }, count, before)
        : noMessages,
  };
}

const noHistory: History = {
  from: 0,
  valueEnd: 0,
  length: 0,
  isText: true,
  chunkKeys: [],
  starts: [],
  ends: [],
  endKeys: [],
};

function rootOf(names: NameKeys, { model, salt }: PromptOwner, heads: PromptHeads): number {
  const root = names.keyOf(model, salt);
  return heads.tools === 0 && heads.system === 0
    ? root
    : mixKey(mixKey(root, heads.tools), heads.system);
}

function headsOf(
  hash: HashBytes,
  scan: PromptScan,
  history: History,
  salt: string,
  scope: number,
): PromptHeads {
  const tools = keyOfMembers(hash, scan, toolNames);
  const system = keyOfMembers(hash, scan, systemNames);
  const { from, starts, ends, endKeys } = history;
  let leading = 0;
  while (
    leading < ends.length &&
    isSystemRole(roleOf(scan.bytes, from + starts[leading]!, from + ends[leading]!))
  ) {
    leading += 1;
  }
  const key = mixKey(mixKey(endKeys[leading - 1] ?? 0, tools), system);
  return { tools, system, salt, key: mixKey(key, scope) };
}

/** One key for all of these that the body has, in their order here; 0 where it has none. */
function keyOfMembers(hash: HashBytes, scan: PromptScan, names: readonly string[]): number {
  let chain = 0n;
  for (const name of names) {
    const member = findMember(scan, name);
    if (member !== undefined) {
      const value = scan.bytes.subarray(member.valueAt, member.valueEnd);
      chain = hash(value, hash(name, chain));
    }
  }
  return chain === 0n ? 0 : keyOf(chain);
}
