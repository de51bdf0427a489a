import { dataOf, doneData, splitEvents } from "../upstream/sse.ts";

/*
 * A stream's events as the whole answer that the same engine would have given. Deltas are merged by
 * what they look like and not by name, so that members of tomorrow's engines come along: texts are
 * joined, lists with an `index` are merged entry by entry, everything else is replaced.
 */

type Json = Record<string, unknown>;

/** Texts that name a thing and are repeated rather than continued. */
const names: ReadonlySet<string> = new Set(["role", "type", "id", "name", "object", "model"]);

/** Members of a choice that are said again in each chunk; the last that is not null holds. */
const repeatedInChoice: ReadonlySet<string> = new Set(["finish_reason", "stop_reason"]);

/** The whole answer's bytes; undefined for events that are no stream of OpenAI's API. */
export function assembleWhole(stream: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const answer: Json = {};
  const choices = new Map<number, Json>();
  for (const event of splitEvents(stream)) {
    const data = dataOf(event);
    if (data === undefined || data === doneData) {
      continue;
    }
    const chunk = parseRecord(data);
    if (chunk === undefined || !addChunk(answer, choices, chunk)) {
      return undefined;
    }
  }
  if (choices.size === 0) {
    return undefined;
  }
  const ordered = [...choices].toSorted(([a], [b]) => a - b).map(([, choice]) => endChoice(choice));
  const { usage, ...head } = answer;
  const whole = { ...head, choices: ordered, ...(usage === undefined ? {} : { usage }) };
  return new TextEncoder().encode(JSON.stringify(whole));
}

function addChunk(answer: Json, choices: Map<number, Json>, chunk: Json): boolean {
  const { choices: listed, object, ...head } = chunk;
  for (const [name, value] of Object.entries(head)) {
    if (value !== null || !Object.hasOwn(answer, name)) {
      answer[name] = value;
    }
  }
  answer["object"] = object === "chat.completion.chunk" ? "chat.completion" : object;
  if (!Array.isArray(listed)) {
    return false;
  }
  for (const listedChoice of listed) {
    if (!isRecord(listedChoice) || typeof listedChoice["index"] !== "number") {
      return false;
    }
    const { index } = listedChoice;
    const choice = choices.get(index as number) ?? {};
    choices.set(index as number, choice);
    addChoice(choice, listedChoice);
  }
  return true;
}

function addChoice(choice: Json, { delta, ...rest }: Json): void {
  for (const [name, value] of Object.entries(rest)) {
    if (repeatedInChoice.has(name)) {
      choice[name] = value ?? choice[name] ?? null;
    } else {
      choice[name] = merge(name, choice[name], value);
    }
  }
  if (isRecord(delta)) {
    choice["message"] = merge("message", choice["message"], delta);
  }
}

/** A tool call of a whole answer has no index: its place in the list says it. */
function endChoice(choice: Json): Json {
  const { message } = choice;
  if (!isRecord(message) || !Array.isArray(message["tool_calls"])) {
    return choice;
  }
  const calls = message["tool_calls"].map((call: unknown) => {
    const { index: _place, ...rest } = isRecord(call) ? call : {};
    return rest;
  });
  return { ...choice, message: { ...message, tool_calls: calls } };
}

function merge(name: string, before: unknown, more: unknown): unknown {
  if (before === undefined || before === null) {
    return Array.isArray(more) ? mergeLists([], more) : more;
  }
  if (more === undefined || more === null) {
    return before;
  }
  if (typeof before === "string" && typeof more === "string") {
    return names.has(name) ? more : before + more;
  }
  if (Array.isArray(before) && Array.isArray(more)) {
    return mergeLists(before, more);
  }
  if (isRecord(before) && isRecord(more)) {
    const merged: Json = { ...before };
    for (const [key, value] of Object.entries(more)) {
      merged[key] = merge(key, before[key], value);
    }
    return merged;
  }
  return more;
}

function mergeLists(before: readonly unknown[], more: readonly unknown[]): readonly unknown[] {
  const merged = [...before];
  for (const value of more) {
    const at = isRecord(value) && typeof value["index"] === "number" ? value["index"] : undefined;
    const place =
      at === undefined ? -1 : merged.findIndex((entry) => isRecord(entry) && entry["index"] === at);
    if (place < 0) {
      merged.push(value);
    } else {
      merged[place] = merge("", merged[place], value);
    }
  }
  return merged;
}

function parseRecord(json: string): Json | undefined {
  try {
    const parsed: unknown = JSON.parse(json);
    return isRecord(parsed) ? parsed : undefined;
  } catch {
    // No JSON: then it is no stream of this API.
    return undefined;
  }
}

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
