import { tokenIdsOf } from "../tokenizer.ts";
import type { ChatMessage, Tool } from "../types.ts";

/**
 * Tokens of a conversation. Each message is tokenised by itself, so a longer conversation begins
 * with exactly the tokens of the shorter one, and an answer sent back is the continuation that was
 * generated.
 */
export function promptTokensOf(
  messages: readonly ChatMessage[],
  tools: readonly Tool[],
  addGenerationPrompt = true,
): number[] {
  const tokens: number[] = [];
  if (tools.length > 0) pushAll(tokens, tokenIdsOf(`<|tools|>${JSON.stringify(tools)}\n`));
  for (const message of messages) {
    pushAll(tokens, tokenIdsOf(`<|${message.role}|>\n`));
    pushAll(tokens, tokenIdsOf(answerText(message.text, message.toolCalls)));
    pushAll(tokens, tokenIdsOf("<|end|>\n"));
  }
  if (addGenerationPrompt) pushAll(tokens, tokenIdsOf("<|assistant|>\n"));
  return tokens;
}

/** What the model is taken to have written: its text, then its calls in the hermes form. */
export function answerText(
  text: string,
  calls: readonly { readonly name: string; readonly argumentsJson: string }[],
): string {
  return text + calls.map(callText).join("");
}

/** One call in the form that the hermes parser reads. */
export function callText(call: { readonly name: string; readonly argumentsJson: string }): string {
  return `<tool_call>{"name": ${JSON.stringify(call.name)}, "arguments": ${call.argumentsJson}}</tool_call>`;
}

function pushAll(target: number[], items: readonly number[]): void {
  for (const item of items) target.push(item);
}
