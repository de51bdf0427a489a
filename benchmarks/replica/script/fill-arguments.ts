import { isObject, listAt, objectAt, textAt } from "../json.ts";
import type { JsonObject, Tool } from "../types.ts";

/** Names that tools give their main argument, the likeliest first. */
const mainNames = [
  "expression",
  "query",
  "url",
  "task",
  "message",
  "question",
  "input",
  "text",
  "prompt",
];

/** Deepest schema that is followed; below it every value is null. */
const depthMax = 8;

/**
 * Arguments for a tool, as JSON text: the subject in its main field, every other required field by
 * its schema.
 */
export function fillArguments(tool: Tool, subject: string): string {
  const properties = objectAt(tool.parameters, "properties");
  const required = requiredNames(tool.parameters);
  const main = mainName(properties, required);
  const filled: Record<string, unknown> = {};
  for (const name of new Set([...(main === undefined ? [] : [main]), ...required])) {
    filled[name] = name === main ? subject : exampleOf(properties[name], subject, 0);
  }
  return JSON.stringify(filled);
}

/**
 * The smallest value that a schema accepts, taking texts and numbers from the subject where it has
 * some.
 */
export function exampleOf(schema: unknown, subject: string, depth: number): unknown {
  if (!isObject(schema) || depth > depthMax) return null;
  const choices = listAt(schema, "enum");
  if (choices.length > 0) return namedChoice(choices, subject);
  if (schema["const"] !== undefined) return schema["const"];
  const variants = [...listAt(schema, "anyOf"), ...listAt(schema, "oneOf")];
  if (variants.length > 0) return exampleOf(variants[0], subject, depth + 1);
  const declared = schema["type"];
  switch (Array.isArray(declared) ? declared[0] : declared) {
    case "string":
      return exampleText(schema, subject);
    case "integer":
      return Math.trunc(exampleNumber(schema, subject));
    case "number":
      return exampleNumber(schema, subject);
    case "boolean":
      return true;
    case "array":
      return listExample(schema, subject, depth);
    case "null":
      return null;
    default:
      return objectExample(schema, subject, depth);
  }
}

function objectExample(schema: JsonObject, subject: string, depth: number): JsonObject {
  const properties = objectAt(schema, "properties");
  const names = requiredNames(schema);
  return Object.fromEntries(
    names.map((name) => [name, exampleOf(properties[name], subject, depth + 1)]),
  );
}

function listExample(schema: JsonObject, subject: string, depth: number): unknown[] {
  const least = Number(schema["minItems"] ?? 0);
  const count = Math.min(Math.max(least, 0), 16);
  return Array.from({ length: count }, () => exampleOf(schema["items"], subject, depth + 1));
}

function exampleText(schema: JsonObject, subject: string): string {
  const longest = Number(schema["maxLength"] ?? 500);
  const proper = /(?:\bin|\bfor|\bof|\bto)\s+(\p{Lu}[\p{L}-]*(?:\s\p{Lu}[\p{L}-]*)*)/u.exec(
    subject,
  );
  return (proper?.[1] ?? subject).slice(0, longest);
}

function exampleNumber(schema: JsonObject, subject: string): number {
  const said = Number(/-?\d+(?:\.\d+)?/.exec(subject)?.[0] ?? 1);
  const least = Number(schema["minimum"] ?? Number.NEGATIVE_INFINITY);
  const most = Number(schema["maximum"] ?? Number.POSITIVE_INFINITY);
  return Math.min(most, Math.max(least, said));
}

function namedChoice(choices: readonly unknown[], subject: string): unknown {
  const lower = subject.toLowerCase();
  return (
    choices.find(
      (choice) =>
        typeof choice === "string" && choice.length > 1 && lower.includes(choice.toLowerCase()),
    ) ?? choices[0]
  );
}

function mainName(properties: JsonObject, required: readonly string[]): string | undefined {
  const isText = (name: string) => {
    const schema = properties[name];
    return textAt(schema, "type") === "string" && listAt(schema, "enum").length === 0;
  };
  const known = mainNames.find((name) => properties[name] !== undefined && isText(name));
  // A tool of unknown make: its required fields are filled by their schemas alone.
  if (known !== undefined || required.length > 0) return known;
  return Object.keys(properties).find(isText);
}

function requiredNames(schema: JsonObject): readonly string[] {
  return listAt(schema, "required").filter((name): name is string => typeof name === "string");
}
