import { isObject, untranslatable } from "./json.ts";
import type { JsonObject } from "./types.ts";

/*
 * Members of requests that the neutral shape has no word for. Each is either held by the target
 * under the same name, or known to change nothing of the answer's meaning with this value, or
 * refused by name. A member that nobody here knows goes on as it is: the target is its judge.
 */

type IsMeaningless = (value: unknown) => boolean;

const always: IsMeaningless = () => true;
const never: IsMeaningless = () => false;
const isZero: IsMeaningless = (value) => value === 0;
const isEmpty: IsMeaningless = (value) =>
  Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0;
const is =
  (wanted: unknown): IsMeaningless =>
  (value) =>
    value === wanted;

/** Output that a translated answer always carries anyway. */
const includedAnyway: ReadonlySet<unknown> = new Set(["reasoning.encrypted_content"]);

/** By member: whether the request means the same without it. */
const rules: Readonly<Record<string, IsMeaningless>> = {
  // Several answers and log probabilities have no place in the other formats' answers.
  n: is(1),
  logprobs: is(false),
  top_logprobs: isZero,
  frequency_penalty: isZero,
  presence_penalty: isZero,
  logit_bias: isEmpty,
  // A best effort by its own documentation.
  seed: always,
  // Labels, billing, and hints about speed, caching and length.
  store: always,
  metadata: always,
  service_tier: always,
  prediction: always,
  prompt_cache_key: always,
  prompt_cache_options: always,
  prompt_cache_retention: always,
  safety_identifier: always,
  verbosity: always,
  cache_control: always,
  stream_options: always,
  modalities: (value) => Array.isArray(value) && value.every((each) => each === "text"),
  audio: never,
  moderation: never,
  web_search_options: never,
  functions: isEmpty,
  function_call: never,
  background: is(false),
  conversation: never,
  previous_response_id: never,
  prompt: never,
  max_tool_calls: never,
  truncation: is("disabled"),
  include: (value) => Array.isArray(value) && value.every((each) => includedAnyway.has(each)),
  context_management: never,
  container: never,
  mcp_servers: isEmpty,
  inference_geo: never,
  speed: is("standard"),
};

/** The members to hand on to a target that holds these; throws for one that would be lost. */
export function carryExtra(extra: JsonObject, held: ReadonlySet<string>): JsonObject {
  const carried: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(extra)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (held.has(name) || rule === undefined) {
      carried[name] = value;
    } else if (value !== null && !rule(value)) {
      throw untranslatable(name, "has no counterpart in the API of the model that serves this");
    }
  }
  return carried;
}

/** The members of a body but those that its reader understands. */
export function extraOf(body: JsonObject, understood: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !understood.has(name)));
}
