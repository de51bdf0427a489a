import type { HttpRequest } from "../http/types.ts";
import { isObject } from "../json.ts";
import type { JsonObject } from "../types.ts";
import { ApiError, schemaFault } from "./errors.ts";

/** Reads a JSON body, refusing what the recorded engine refuses. */
export function readBody(http: HttpRequest): JsonObject {
  const contentType = http.headers.get("content-type") ?? "";
  if (!contentType.startsWith("application/json")) {
    const reason = "Unsupported Media Type: Only 'application/json' is allowed";
    throw new ApiError(400, "Bad Request", `1 validation error:\n  ${reason}`);
  }
  return parseBody(http.body.toString());
}

/** Parses a body as a JSON object. */
export function parseBody(text: string): JsonObject {
  if (text.trim() === "") {
    throw schemaFault({ type: "missing", loc: "body", msg: "Field required", input: "None" });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The position is not exact: the parser here does not report where it stopped.
    const loc = `body.${text.length}`;
    throw schemaFault({
      type: "json_invalid",
      loc,
      msg: "JSON decode error",
      input: "<dict of 0 items>', 'ctx': {'error': 'Expecting value'}",
    });
  }
  if (isObject(value)) return value;
  const msg = "Input should be a valid dictionary";
  throw schemaFault({ type: "dict_type", loc: "body", msg, input: String(value) });
}

/** A whole number, or undefined where the body says none. */
export function integerAt(body: JsonObject, key: string): number | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isInteger(value)) return value;
  const msg = "Input should be a valid integer, unable to parse string as an integer";
  throw schemaFault({ type: "int_parsing", loc: `body.${key}`, msg, input: String(value) });
}

/** Refuses a body that lacks a member. */
export function requireField(body: JsonObject, key: string): void {
  if (body[key] !== undefined && body[key] !== null) return;
  const input = `<dict of ${Object.keys(body).length} items>`;
  throw schemaFault({ type: "missing", loc: `body.${key}`, msg: "Field required", input });
}

/** The refusal of a member of the wrong type. */
export function wrongType(body: JsonObject, key: string, type: string, wanted: string): ApiError {
  const msg = `Input should be ${wanted}`;
  return schemaFault({ type: `${type}_type`, loc: `body.${key}`, msg, input: String(body[key]) });
}
