import { arrayOf, brokenProtocol, countOf, isObject, objectOf, textOf } from "../json.ts";
import { signedId } from "../tool-ids.ts";
import type { Finish, JsonObject, NeutralAnswer, Part, Seal, Usage } from "../types.ts";

/* Whole answers, and what they share with streams, whose every event has the same shape. */

/** Reads a `GenerateContentResponse`. */
export function readAnswer(body: JsonObject): NeutralAnswer {
  const candidate = objectOf(arrayOf(body["candidates"])[0]);
  const finish = readFinish(body);
  if (finish === undefined) {
    throw brokenProtocol("sent an answer without a finish reason");
  }
  const id = textOf(body["responseId"]) ?? "";
  return {
    id,
    model: textOf(body["modelVersion"]) ?? "",
    parts: joinTexts(readParts(candidate).map((part, at) => readPart(part, `${id}_${at}`))),
    finish,
    usage: isObject(body["usageMetadata"]) ? readUsage(body["usageMetadata"]) : undefined,
  };
}

/** The parts of a candidate. */
export function readParts(candidate: JsonObject): readonly JsonObject[] {
  return arrayOf(objectOf(candidate["content"])["parts"]).map(objectOf);
}

/** One part; `callId` names a call that has no id of its own. */
export function readPart(part: JsonObject, callId: string): Part | undefined {
  const call = part["functionCall"];
  const signature = textOf(part["thoughtSignature"]);
  if (isObject(call)) {
    return {
      kind: "tool-call",
      id: signedId(textOf(call["id"]) ?? `call_${callId}`, signature),
      name: textOf(call["name"]) ?? "",
      argumentsJson: JSON.stringify(call["args"] ?? {}),
    };
  }
  const text = textOf(part["text"]);
  if (text === undefined) {
    return undefined;
  }
  if (part["thought"] !== true) {
    return { kind: "text", text };
  }
  const seal: Seal | undefined =
    signature === undefined ? undefined : { origin: "gemini", data: signature };
  return { kind: "thinking", text, seal };
}

/** Neighbours of one kind are one part, as they would be in a stream. */
function joinTexts(parts: readonly (Part | undefined)[]): readonly Part[] {
  const joined: Part[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (part === undefined || (part.kind === "text" && part.text === "")) {
      continue;
    }
    if (part.kind === "text" && last?.kind === "text") {
      joined[joined.length - 1] = { ...last, text: last.text + part.text };
    } else {
      joined.push(part);
    }
  }
  return joined;
}

/** Why the answer ended; undefined while it has not. */
export function readFinish(body: JsonObject): Finish | undefined {
  const reason = textOf(objectOf(arrayOf(body["candidates"])[0])["finishReason"]);
  if (reason === undefined) {
    const blocked = textOf(objectOf(body["promptFeedback"])["blockReason"]);
    return blocked === undefined ? undefined : { kind: "refusal" };
  }
  switch (reason) {
    case "STOP":
      return { kind: "stop" };
    case "MAX_TOKENS":
      return { kind: "length" };
    case "FINISH_REASON_UNSPECIFIED":
      return undefined;
    case "MALFORMED_FUNCTION_CALL":
    case "UNEXPECTED_TOOL_CALL":
    case "OTHER":
      throw brokenProtocol(`gave the answer up (${reason})`);
    default:
      // SAFETY, RECITATION, BLOCKLIST, PROHIBITED_CONTENT, SPII, LANGUAGE, …
      return { kind: "refusal" };
  }
}

/** Thoughts are counted apart from the answer here, and what is cached is part of the prompt. */
export function readUsage(usage: JsonObject): Usage {
  const reasoningTokens = countOf(usage["thoughtsTokenCount"]);
  return {
    inputTokens: countOf(usage["promptTokenCount"]) + countOf(usage["toolUsePromptTokenCount"]),
    cachedInputTokens: countOf(usage["cachedContentTokenCount"]),
    cacheWriteTokens: 0,
    outputTokens: countOf(usage["candidatesTokenCount"]) + reasoningTokens,
    reasoningTokens,
  };
}
