import { isText } from "./read-value.ts";

/** The names that requests of the APIs have, so that no text is made of them for each request. */
const known = [
  "model",
  "messages",
  "prompt",
  "input",
  "stream",
  "stream_options",
  "max_tokens",
  "max_completion_tokens",
  "max_output_tokens",
  "temperature",
  "top_p",
  "top_k",
  "n",
  "seed",
  "stop",
  "stop_sequences",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "response_format",
  "reasoning_effort",
  "reasoning",
  "thinking",
  "system",
  "instructions",
  "metadata",
  "user",
  "session_id",
  "prompt_cache_key",
  "cache_salt",
  "priority",
  "logprobs",
  "top_logprobs",
  "frequency_penalty",
  "presence_penalty",
  "chat_template_kwargs",
  "store",
  "service_tier",
] as const;

const byLength: (readonly string[])[] = [];
for (const name of known) byLength[name.length] = [...(byLength[name.length] ?? []), name];

/** The name between two offsets, where it is one of the known. */
export function knownName(bytes: Uint8Array, from: number, to: number): string | undefined {
  const names = byLength[to - from];
  if (names === undefined) return undefined;
  for (const name of names) if (isText(bytes, from, to, name)) return name;
  return undefined;
}
