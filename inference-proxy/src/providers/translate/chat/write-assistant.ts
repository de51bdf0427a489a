import { compact, untranslatable } from "../json.ts";
import { writeSeal } from "../seal.ts";
import type { JsonObject, Part, WriteTarget } from "../types.ts";

/*
 * An assistant's message of a request or of an answer. Thinking goes under vLLM's name, and in
 * blocks where it is signed, so that a client which sends the message back sends the proof with it.
 */

/**
 * Whose blocks `thinking_blocks` holds where they are not told apart: other gateways put
 * Anthropic's there, so a client that knows the member knows them.
 */
export const blockFormat = "messages";

/** Writes the message; `field` names it in a refusal, `idOf` decides how its calls are named. */
export function writeAssistant(
  parts: readonly Part[],
  field: string,
  { ignoresUnknown }: WriteTarget,
  idOf: (id: string) => string,
): JsonObject {
  const texts: string[] = [];
  const thoughts: string[] = [];
  const blocks: JsonObject[] = [];
  const calls: JsonObject[] = [];
  const refusals: string[] = [];
  let cache: JsonObject | undefined;
  for (const [at, part] of parts.entries()) {
    cache = "cache" in part ? (part.cache ?? cache) : cache;
    switch (part.kind) {
      case "text":
        texts.push(part.text);
        break;
      case "thinking":
        thoughts.push(part.text);
        if (part.seal !== undefined) {
          const signature = writeSeal(part.seal, blockFormat);
          blocks.push({ type: "thinking", thinking: part.text, signature });
        }
        break;
      case "sealed-thinking":
        blocks.push({ type: "redacted_thinking", data: writeSeal(part.seal, blockFormat) });
        break;
      case "tool-call": {
        const { name, argumentsJson } = part;
        const called = { name, arguments: argumentsJson === "" ? "{}" : argumentsJson };
        calls.push({ id: idOf(part.id), type: "function", function: called });
        break;
      }
      case "refusal":
        refusals.push(part.text);
        break;
      default:
        throw untranslatable(`${field}.content.${at}`, "cannot be part of an assistant's message");
    }
  }
  const marked = ignoresUnknown ? { cache_control: cache } : {};
  const thinking = ignoresUnknown
    ? {
        reasoning: thoughts.length === 0 ? undefined : thoughts.join("\n"),
        thinking_blocks: blocks.length === 0 ? undefined : blocks,
      }
    : {};
  return compact({
    role: "assistant",
    content: texts.length === 0 ? null : texts.join(""),
    refusal: refusals.length === 0 ? undefined : refusals.join(""),
    ...thinking,
    tool_calls: calls.length === 0 ? undefined : calls,
    ...marked,
  });
}
