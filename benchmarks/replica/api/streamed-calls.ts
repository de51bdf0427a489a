import type { Reply } from "../types.ts";
import { callText } from "./chat-template.ts";

/** What one token adds to the streamed calls: a call's name, or a piece of its arguments. */
export interface DeltaCall {
  readonly id?: string | undefined;
  readonly type?: "function";
  readonly index: number;
  readonly function: { readonly name: string } | { readonly arguments: string };
}

interface Region {
  /** Character at which the call's name is complete and its arguments begin. */
  readonly start: number;
  readonly end: number;
}

/**
 * For each token of an answer with calls, the delta that a streaming parser would emit on seeing
 * it:
 *
 *     <tool_call>{"name": "calculator", "arguments": {"expression": "1 + 1"}}</tool_call>
 *     |------ no delta, then the name ------------->|--- arguments -------->|- no delta ->|
 */
export function streamedCalls(
  reply: Reply,
  callIds: readonly string[],
  pieces: readonly string[],
): (DeltaCall | undefined)[] {
  const regions = regionsOf(reply);
  let at = 0;
  let named = -1;
  return pieces.map((piece) => {
    const start = at;
    at += piece.length;
    const index = regions.findIndex((region) => start < region.end && at >= region.start);
    const region = regions[index];
    const call = reply.calls[index];
    if (region === undefined || call === undefined) return undefined;
    if (named < index && start < region.start) {
      named = index;
      // A token that also holds the first characters of the arguments leaves them to `heldBack`.
      const head = { id: callIds[index], type: "function" as const, index };
      return { ...head, function: { name: call.name } };
    }
    const text = piece.slice(Math.max(0, region.start - start), region.end - start);
    const heldBack = heldBackBy(pieces, start, region, named === index);
    return { index, function: { arguments: heldBack + text } };
  });
}

/**
 * Characters of the arguments that the token before this one, which carried the name, already
 * covered.
 */
function heldBackBy(
  pieces: readonly string[],
  start: number,
  region: Region,
  isNamed: boolean,
): string {
  if (!isNamed) return "";
  let at = 0;
  for (const piece of pieces) {
    const end = at + piece.length;
    if (end === start && at < region.start && end > region.start) {
      return piece.slice(region.start - at);
    }
    if (end >= start) return "";
    at = end;
  }
  return "";
}

function regionsOf(reply: Reply): Region[] {
  let at = reply.text.length;
  return reply.calls.map((call) => {
    const whole = callText(call);
    const end = at + whole.length - "}</tool_call>".length;
    const region = { start: end - call.argumentsJson.length, end };
    at += whole.length;
    return region;
  });
}
