import type { ReplicaEvents } from "./replica-events.ts";
import type { TextPrompt } from "./text-prompt.ts";
import { cachedTokensOf, type TokenPrompt } from "./token-prompt.ts";

/** A prompt on its way: tokens foretell what is cached, and text can be found among the blocks. */
export interface SentPrompt {
  readonly requestId: string;
  readonly tokenPrompt?: TokenPrompt | undefined;
  readonly prompt: TextPrompt;
  /** The session id that the client gives to the engine, where it may. */
  readonly engineHeaders?: Readonly<Record<string, string>> | undefined;
}

/** What a prompt that is being sent will find, and how its blocks will be known. */
export interface Foresight {
  /**
   * Cached tokens that the replica will report; undefined where its events are not trusted, or
   * there are none.
   */
  readonly cachedTokens: number | undefined;
  /** Session id to send to the engine, so that its events name the request. */
  readonly label: string | undefined;
  /** Ask the engine to tell what the request finds in its cache; see {@link askForReport}. */
  readonly wantsReport: boolean;
  readonly text: TextPrompt | undefined;
  /** The answer has begun, or will not come. */
  settle(): void;
}

/** By which an engine is told the session, and tells it again with what it stores. */
export const sessionHeader = "x-session-id";

/** What is known of a prompt that goes to a replica with events; undefined: nothing to be known. */
export function foresee(events: ReplicaEvents, sent: SentPrompt): Foresight | undefined {
  const { tokenPrompt } = sent;
  if (tokenPrompt === undefined && sent.prompt.keys.length === 0) return undefined;
  const text = tokenPrompt === undefined ? textOf(sent.prompt) : undefined;
  const wantsReport = events.isIncomplete;
  let label: string | undefined;
  if (text !== undefined || wantsReport) {
    label = sent.engineHeaders?.[sessionHeader] ?? sent.requestId;
    events.watch(label, wantsReport);
  }
  const seen = tokenPrompt === undefined ? unseen : foreseeTokens(events, tokenPrompt);
  return { ...seen, label, wantsReport, text };
}

/** Only what is asked of it later: a prompt as it was read holds on to its body. */
function textOf({ keys, chunkTokens, promptTokens }: TextPrompt): TextPrompt {
  return { keys, chunkTokens, promptTokens };
}

const unseen = { cachedTokens: undefined, settle: () => undefined };

function foreseeTokens(events: ReplicaEvents, prompt: TokenPrompt) {
  if (!events.trust.isTrusted) return unseen;
  const { blockTokens } = events;
  // An engine that has stored nothing has nothing cached.
  if (blockTokens === undefined) return { ...unseen, cachedTokens: 0 };
  const keys = prompt.keys(blockTokens);
  const cachedTokens = cachedTokensOf(events.depthOf(keys), blockTokens, prompt.tokens);
  return { cachedTokens, settle: events.expect(keys) };
}

/** What asks a vLLM (0.32) to publish the blocks that a request finds, as if it stored them. */
const reportMember = Buffer.from('"vllm_xargs":{"kv_cache_report_mode":"full"},');
const xargs = Buffer.from('"vllm_xargs"');
const openBrace = 0x7b;
const quote = 0x22;

/**
 * The same body with the engine asked to tell what the request finds in its cache. Unchanged where
 * the client gives it arguments of its own, or the API has no place for them.
 */
export function askForReport(path: string, body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const hasPlace = path === "/v1/chat/completions" || path === "/v1/completions";
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const isPlain = body[0] === openBrace && body[1] === quote;
  if (!hasPlace || !isPlain || bytes.includes(xargs)) return body;
  const asking = new Uint8Array(body.length + reportMember.length);
  asking[0] = openBrace;
  asking.set(reportMember, 1);
  asking.set(body.subarray(1), 1 + reportMember.length);
  return asking;
}
