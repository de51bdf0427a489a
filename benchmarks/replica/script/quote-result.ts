import { isObject, parseJson, textAt } from "../json.ts";

/** What a tool's answer comes down to in a sentence. */
export interface Quote {
  readonly failed: boolean;
  readonly text: string;
  readonly source: string | undefined;
}

/** What an empty list of findings comes down to. */
export const nothingFound = "nothing was found";

const quoteCharsMax = 240;
const scalarNames = ["result", "value", "answer", "output", "text", "content", "body", "message"];
const listNames = ["passages", "results", "hits", "matches", "chunks", "items", "documents"];
const sourceNames = ["source", "path", "uri", "url", "title", "document", "file"];

// How tools say in prose that they could not do it: at the start, or within a first short sentence.
const failurePattern =
  /^\s*(?:\w+ )?(?:error|failed|failure|refused|rejected|unknown outcome)\b|^[^.!?\n]{0,160}\b(?:cannot|could not|is not (?:finite|allowed|available|valid|known)|does not come to|too (?:long|large|many)|timed out|unavailable|allows no)\b/i;

/** Reads a tool's answer, which may be JSON of any shape or plain text. */
export function quoteOf(content: string): Quote {
  const value = parseJson(content);
  if (value === undefined) {
    return { failed: failurePattern.test(content), text: shorten(content), source: undefined };
  }
  return quoteOfValue(value);
}

function quoteOfValue(value: unknown): Quote {
  if (Array.isArray(value)) return quoteOfList(value);
  if (!isObject(value)) return { failed: false, text: shorten(String(value)), source: undefined };
  const error = value["error"];
  if (error !== undefined && error !== null && error !== false) {
    const text = typeof error === "string" ? error : textAt(error, "message");
    return { failed: true, text: shorten(text || JSON.stringify(error)), source: undefined };
  }
  const list = listNames.map((name) => value[name]).find((member) => Array.isArray(member));
  if (Array.isArray(list)) return quoteOfList(list);
  const source = sourceNames.map((name) => textAt(value, name)).find((text) => text !== "");
  for (const name of [...scalarNames, "snippet", "excerpt"]) {
    const member = value[name];
    if (typeof member === "string" || typeof member === "number" || typeof member === "boolean") {
      return { failed: false, text: shorten(String(member)), source };
    }
    if (isObject(member)) return quoteOfValue(member);
  }
  return { failed: false, text: shorten(JSON.stringify(value)), source };
}

function quoteOfList(list: readonly unknown[]): Quote {
  const first = list[0];
  if (first === undefined) return { failed: false, text: nothingFound, source: undefined };
  return quoteOfValue(first);
}

/**
 * The prose of a text, without headings, code and tables where it has anything else, cut at a word.
 */
function shorten(text: string): string {
  const flat = text
    .replace(/```[\s\S]*?(?:```|$)/g, " ")
    .replace(/^(?:#+\s|\s*\|).*$/gm, " ")
    .replace(/\s+/g, " ")
    .trim();
  const whole = flat === "" ? text.replace(/\s+/g, " ").trim() : flat;
  if (whole.length <= quoteCharsMax) return whole;
  return `${whole.slice(0, quoteCharsMax).replace(/\s+\S*$/, "")} …`;
}
