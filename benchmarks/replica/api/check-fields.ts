import { isObject, listAt, objectAt, textAt } from "../json.ts";
import type { JsonObject } from "../types.ts";
import { badRequest, schemaFault } from "./errors.ts";

interface Kind {
  readonly type: string;
  readonly msg: string;
  fits(value: unknown): boolean;
}

const boolean: Kind = {
  type: "bool_parsing",
  msg: "Input should be a valid boolean, unable to interpret input",
  fits: (value) => typeof value === "boolean",
};
const integer: Kind = {
  type: "int_parsing",
  msg: "Input should be a valid integer, unable to parse string as an integer",
  fits: (value) => Number.isInteger(value),
};
const number: Kind = {
  type: "float_parsing",
  msg: "Input should be a valid number, unable to parse string as a number",
  fits: (value) => typeof value === "number",
};
const object: Kind = {
  type: "dict_type",
  msg: "Input should be a valid dictionary",
  fits: isObject,
};
const text: Kind = {
  type: "string_type",
  msg: "Input should be a valid string",
  fits: (value) => typeof value === "string",
};
const listOfObjects: Kind = {
  type: "list_type",
  msg: "Input should be a valid list",
  fits: (value) => Array.isArray(value) && value.every(isObject),
};
const textOrTexts: Kind = {
  ...text,
  fits: (value) => text.fits(value) || (Array.isArray(value) && value.every(text.fits)),
};

/** What vLLM's OpenAPI document says of the members that both APIs share. */
const sharedKinds: Readonly<Record<string, Kind>> = {
  model: text,
  stream: boolean,
  stream_options: object,
  ignore_eos: boolean,
  temperature: number,
  top_p: number,
  top_k: integer,
  presence_penalty: number,
  frequency_penalty: number,
  seed: integer,
  stop: textOrTexts,
  min_tokens: integer,
  priority: integer,
  cache_salt: text,
  response_format: object,
  tools: listOfObjects,
};

/** Refuses members of the wrong type before all else, as the recorded engine's schema does. */
export function checkTypes(body: JsonObject): void {
  for (const [name, kind] of Object.entries(sharedKinds)) {
    const value = body[name];
    if (value === undefined || value === null || kind.fits(value)) continue;
    const { type, msg } = kind;
    throw schemaFault({ type, loc: `body.${name}`, msg, input: shown(value) });
  }
}

/** Refuses what is no message; any role will do, and contents are text, parts or nothing. */
export function checkMessages(messages: readonly unknown[]): void {
  for (const [index, message] of messages.entries()) {
    const loc = `body.messages.${index}`;
    if (!isObject(message)) {
      throw schemaFault({ type: object.type, loc, msg: object.msg, input: shown(message) });
    }
    const { role, content } = message;
    if (role === undefined) {
      const input = `<dict of ${Object.keys(message).length} items>`;
      throw schemaFault({ type: "missing", loc: `${loc}.role`, msg: "Field required", input });
    }
    if (!text.fits(role)) throw noText(`${loc}.role`, role);
    if (content === undefined || content === null || Array.isArray(content)) continue;
    if (!text.fits(content)) throw noText(`${loc}.content`, content);
  }
}

const formats: readonly unknown[] = ["text", "json_object", "json_schema", "structural_tag"];

/** Refuses tools without a function, choices among them that there are not, unknown formats. */
export function checkToolsAndFormat(body: JsonObject): void {
  for (const [index, tool] of listAt(body, "tools").entries()) {
    if (textAt(objectAt(tool, "function"), "name") !== "") {
      continue;
    }
    const loc = `body.tools.${index}.function`;
    throw schemaFault({ type: "missing", loc, msg: "Field required", input: shown(tool) });
  }
  const { tool_choice: choice, response_format: format } = body;
  if (typeof choice === "string" && !["none", "auto", "required"].includes(choice)) {
    const msg = "Input should be 'none', 'auto' or 'required'";
    throw schemaFault({ type: "literal_error", loc: "body.tool_choice", msg, input: choice });
  }
  if (isObject(format) && !formats.includes(format["type"])) {
    const msg = "Input should be 'text', 'json_object' or 'json_schema'";
    const loc = "body.response_format.type";
    throw schemaFault({ type: "literal_error", loc, msg, input: shown(format["type"]) });
  }
}

function noText(loc: string, value: unknown) {
  return schemaFault({ type: text.type, loc, msg: text.msg, input: shown(value) });
}

/** Refuses numbers out of range, in the words of vLLM's sampling parameters. */
export function checkRanges(body: JsonObject, maxTokens: number | undefined): void {
  for (const name of ["presence_penalty", "frequency_penalty"]) {
    const value = body[name];
    if (typeof value === "number" && Math.abs(value) > 2) {
      throw badRequest(`${name} must be in [-2, 2], got ${float(value)}.`);
    }
  }
  const { top_p: topP, top_k: topK, min_tokens: minTokens } = body;
  if (typeof topP === "number" && (topP <= 0 || topP > 1)) {
    const suffix = `(parameter=top_p, value=${float(topP)})`;
    throw badRequest(`top_p must be in (0, 1], got ${float(topP)}. ${suffix}`, "top_p");
  }
  if (typeof topK === "number" && topK < -1) {
    throw badRequest(`top_k must be 0 (disable), or at least 1, got ${topK}.`);
  }
  if (typeof minTokens === "number" && minTokens < 0) {
    throw badRequest(`min_tokens must be greater than or equal to 0, got ${minTokens}.`);
  }
  if (typeof minTokens === "number" && maxTokens !== undefined && minTokens > maxTokens) {
    throw badRequest(
      `min_tokens must be less than or equal to max_tokens=${maxTokens}, got ${minTokens}.`,
    );
  }
  const { stop } = body;
  if (Array.isArray(stop) && stop.includes("")) {
    throw badRequest("stop cannot contain an empty string.");
  }
  checkLogprobs(body);
}

/** vLLM's own default for `--max-logprobs`. */
const logprobsMax = 20;

function checkLogprobs(body: JsonObject): void {
  const { logprobs, top_logprobs: alternatives } = body;
  if (typeof alternatives === "number" && alternatives !== 0) {
    if (alternatives < -1) throw logprobsFault("top_logprobs", alternatives);
    if (logprobs !== true) {
      throw badRequest(
        "when using `top_logprobs`, `logprobs` must be set to true. (parameter=top_logprobs)",
        "top_logprobs",
      );
    }
  }
  if (typeof logprobs === "number" && logprobs < -1) throw logprobsFault("logprobs", logprobs);
  const asked = typeof logprobs === "number" ? logprobs : alternatives;
  if (typeof asked === "number" && asked > logprobsMax) {
    throw badRequest(
      `Requested sample logprobs of ${asked}, which is greater than max allowed: ${logprobsMax} ` +
        `(parameter=logprobs, value=${asked})`,
      "logprobs",
    );
  }
}

function logprobsFault(name: string, value: number) {
  const suffix = `(parameter=${name}, value=${value})`;
  return badRequest(`\`${name}\` must be a positive value. ${suffix}`, name);
}

/** A number as Python writes a float. */
export function float(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "None");
}
