import { carryExtra } from "../extras.ts";
import { compact, untranslatable } from "../json.ts";
import { urlOfSource } from "../media.ts";
import { effortOf } from "../reasoning.ts";
import { plainId } from "../tool-ids.ts";
import type {
  AnswerForm,
  JsonObject,
  MediaPart,
  NeutralRequest,
  Part,
  TextPart,
  ToolChoice,
  ToolDefinition,
  ToolResultPart,
  Turn,
  WriteTarget,
} from "../types.ts";
import { writeAssistant } from "./write-assistant.ts";

/** Members of chat completions that the neutral shape has no word for, and that change answers. */
const held: ReadonlySet<string> = new Set([
  "frequency_penalty",
  "presence_penalty",
  "logit_bias",
  "seed",
  "store",
  "prompt_cache_key",
  "prompt_cache_retention",
  "safety_identifier",
  "verbosity",
]);

/** Writes the body of `POST /v1/chat/completions`. */
export function writeRequest(request: NeutralRequest, target: WriteTarget): JsonObject {
  const { isStream, tools, stops } = request;
  if (request.topK !== undefined && !target.ignoresUnknown) {
    throw untranslatable("top_k", "has no counterpart in OpenAI's API");
  }
  if (request.continuesLast && !target.ignoresUnknown) {
    throw untranslatable(
      "messages",
      "ends with words of the assistant, which OpenAI does not continue",
    );
  }
  return compact({
    // vLLM's words for it.
    ...(request.continuesLast
      ? { continue_final_message: true, add_generation_prompt: false }
      : undefined),
    ...carryExtra(request.extra, held),
    model: request.model,
    messages: request.turns.flatMap((turn, at) => writeTurn(turn, `messages.${at}`, target)),
    stream: isStream ? true : undefined,
    // Without it no stream could be accounted.
    stream_options: isStream ? { include_usage: true } : undefined,
    tools: tools.length === 0 ? undefined : tools.map((tool) => writeTool(tool, target)),
    tool_choice: writeToolChoice(request.toolChoice),
    parallel_tool_calls: tools.length === 0 ? undefined : request.allowsParallelCalls,
    max_completion_tokens: request.answerTokensMax,
    temperature: request.temperature,
    top_p: request.topP,
    top_k: request.topK,
    stop: stops.length === 0 ? undefined : stops,
    reasoning_effort: effortOf(request.reasoning),
    response_format: writeForm(request.form),
    user: request.user,
  });
}

function writeTurn(turn: Turn, field: string, target: WriteTarget): readonly JsonObject[] {
  if (turn.role === "assistant") {
    return [writeAssistant(turn.parts, field, target, plainId)];
  }
  const results = turn.parts.filter((part) => part.kind === "tool-result");
  const shown = results.flatMap(({ content }) => content.filter(({ kind }) => kind !== "text"));
  const said = [...shown, ...turn.parts.filter((part) => part.kind !== "tool-result")];
  return [
    ...results.map((result) => writeToolResult(result, target)),
    ...(said.length === 0 && results.length > 0
      ? []
      : [{ role: turn.role, content: writeContent(said, field, target) }]),
  ];
}

/**
 * Tools answer in text here. Images of a result follow as the user's, so that the model sees them;
 * that it failed is said in words.
 */
function writeToolResult(result: ToolResultPart, target: WriteTarget): JsonObject {
  const texts = result.content.filter((part) => part.kind === "text");
  const joined = texts.map(({ text }) => text).join("\n");
  const text = result.isError && !/^error/i.test(joined) ? `Error: ${joined}` : joined;
  return compact({
    role: "tool",
    tool_call_id: plainId(result.callId),
    content: text,
    cache_control: target.ignoresUnknown ? result.cache : undefined,
  });
}

function writeContent(parts: readonly Part[], field: string, target: WriteTarget): unknown {
  const [only] = parts;
  const isMarked = target.ignoresUnknown && parts.some((part) => "cache" in part && part.cache);
  if (only?.kind === "text" && parts.length === 1 && !isMarked) {
    return only.text;
  }
  return parts.map((part, at) => {
    if (part.kind === "text" || part.kind === "image" || part.kind === "file") {
      return writeContentPart(part, `${field}.content.${at}`, target);
    }
    throw untranslatable(`${field}.content.${at}.type`, "does not belong into a user's message");
  });
}

function writeContentPart(
  part: TextPart | MediaPart,
  field: string,
  target: WriteTarget,
): JsonObject {
  const mark = target.ignoresUnknown ? { cache_control: part.cache } : {};
  if (part.kind === "text") {
    return compact({ type: "text", text: part.text, ...mark });
  }
  const { source } = part;
  if (part.kind === "image") {
    if (source.kind === "id") {
      throw untranslatable(`${field}.source`, "names a file of another provider");
    }
    const image = compact({ url: urlOfSource(source), detail: part.detail });
    return compact({ type: "image_url", image_url: image, ...mark });
  }
  if (source.kind === "url") {
    throw untranslatable(`${field}.source`, "must be base64: chat completions take no file URLs");
  }
  const file =
    source.kind === "id"
      ? { file_id: source.id }
      : { file_data: urlOfSource(source), filename: part.name ?? "document" };
  return compact({ type: "file", file, ...mark });
}

function writeTool(tool: ToolDefinition, target: WriteTarget): JsonObject {
  const { name, description, schema, isStrict } = tool;
  return compact({
    type: "function",
    function: compact({ name, description, parameters: schema, strict: isStrict }),
    cache_control: target.ignoresUnknown ? tool.cache : undefined,
  });
}

function writeToolChoice(choice: ToolChoice | undefined): unknown {
  return choice?.kind === "tool"
    ? { type: "function", function: { name: choice.name } }
    : choice?.kind;
}

function writeForm(form: AnswerForm | undefined): unknown {
  if (form === undefined) {
    return undefined;
  }
  if (form.kind === "json") {
    return { type: "json_object" };
  }
  const { name = "answer", schema, isStrict } = form;
  return { type: "json_schema", json_schema: compact({ name, schema, strict: isStrict }) };
}
