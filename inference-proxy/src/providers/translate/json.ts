import { WarmpathError } from "@warmpath/runtime/base";
import type { JsonObject } from "./types.ts";

/* What the readers and writers of all formats do with JSON whose shape nobody has checked. */

/** True for a JSON object: not an array, not null. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as an object; without members when it is none. */
export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

export function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

export function booleanOf(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

/** A count of tokens; 0 where there is none. */
export function countOf(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

/** The object without members that are undefined, which JSON has no word for. */
export function compact(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

/** A request that cannot be put into the target's words: the client's 400, naming the field. */
export function untranslatable(field: string, fault: string): WarmpathError {
  return new WarmpathError("rejected-invalid", `\`${field}\` ${fault}.`, {
    fields: [{ field, fault }],
  });
}

/** An upstream that does not keep to its own format. */
export function brokenProtocol(message: string): WarmpathError {
  return new WarmpathError("failed-upstream-protocol", `the upstream ${message}`);
}

/** A number of so many digits may lie beyond 2^53. */
const longNumber = /[\d.eE+-]{16}/;

interface ExactJson {
  readonly rawJSON: (text: string) => unknown;
}

/**
 * `JSON.parse` that keeps numbers which JavaScript's cannot hold: they come out of `JSON.stringify`
 * as they went in. Costs a reviver only where the text has such numbers at all.
 */
export function parseExactJson(text: string): unknown {
  if (!longNumber.test(text)) {
    return JSON.parse(text);
  }
  return JSON.parse(text, keepExact as (key: string, value: unknown) => unknown);
}

function keepExact(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source;
  return typeof value === "number" && source !== undefined && !isExact(value)
    ? // The types of the language lag behind: this is part of ES2026.
      (JSON as unknown as ExactJson).rawJSON(source)
    : value;
}

function isExact(value: number): boolean {
  return Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value));
}

/** The arguments of a tool call as an object, for formats that do not carry them as text. */
export function parseArguments(json: string, field: string): unknown {
  if (json.trim() === "") {
    return {};
  }
  try {
    const parsed = parseExactJson(json);
    if (isObject(parsed)) {
      return parsed;
    }
  } catch {
    // Not JSON: said below, with the field's name.
  }
  throw untranslatable(field, "must be the text of a JSON object");
}
