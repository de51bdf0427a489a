import { carryExtra } from "../extras.ts";
import { compact, untranslatable } from "../json.ts";
import { effortOf } from "../reasoning.ts";
import type {
  AnswerForm,
  JsonObject,
  NeutralRequest,
  ToolChoice,
  ToolDefinition,
  WriteTarget,
} from "../types.ts";
import { writeItems } from "./write-items.ts";

/** Members that the neutral shape has no word for. */
const held: ReadonlySet<string> = new Set([
  "store",
  "prompt_cache_key",
  "prompt_cache_retention",
  "safety_identifier",
]);

/** Writes the body of `POST /v1/responses`. */
export function writeRequest(request: NeutralRequest, target: WriteTarget): JsonObject {
  const { isStream, tools, reasoning } = request;
  if (request.stops.length > 0) {
    throw untranslatable("stop", "has no counterpart in the Responses API");
  }
  if (request.topK !== undefined && !target.ignoresUnknown) {
    throw untranslatable("top_k", "has no counterpart in OpenAI's API");
  }
  if (request.continuesLast) {
    throw untranslatable(
      "messages",
      "ends with words of the assistant, which OpenAI does not continue",
    );
  }
  const { verbosity, ...extra } = request.extra;
  const thinks = reasoning?.isOn === true;
  return compact({
    // The client keeps the conversation: nothing needs to be stored for it.
    store: false,
    ...carryExtra(extra, held),
    model: request.model,
    input: writeItems(request.turns),
    stream: isStream ? true : undefined,
    tools: tools.length === 0 ? undefined : tools.map(writeTool),
    tool_choice: writeToolChoice(request.toolChoice),
    parallel_tool_calls: tools.length === 0 ? undefined : request.allowsParallelCalls,
    max_output_tokens: request.answerTokensMax,
    temperature: request.temperature,
    top_p: request.topP,
    top_k: request.topK,
    reasoning:
      reasoning === undefined
        ? undefined
        : compact({
            effort: effortOf(reasoning),
            summary: thinks && reasoning.shown === "summarized" ? "auto" : undefined,
          }),
    // Else its thinking could not be sent back with the next turn.
    include: thinks ? ["reasoning.encrypted_content"] : undefined,
    text: writeText(request.form, verbosity),
    user: request.user,
  });
}

function writeTool({ name, description, schema, isStrict }: ToolDefinition): JsonObject {
  return compact({
    type: "function",
    name,
    description,
    parameters: schema ?? null,
    // The default here is true, and everywhere else false.
    strict: isStrict ?? false,
  });
}

function writeToolChoice(choice: ToolChoice | undefined): unknown {
  return choice?.kind === "tool" ? { type: "function", name: choice.name } : choice?.kind;
}

function writeText(form: AnswerForm | undefined, verbosity: unknown): unknown {
  const text = compact({ format: writeFormat(form), verbosity });
  return Object.keys(text).length === 0 ? undefined : text;
}

function writeFormat(form: AnswerForm | undefined): unknown {
  if (form === undefined) {
    return undefined;
  }
  if (form.kind === "json") {
    return { type: "json_object" };
  }
  const { name = "answer", schema, isStrict } = form;
  return compact({ type: "json_schema", name, schema, strict: isStrict });
}
