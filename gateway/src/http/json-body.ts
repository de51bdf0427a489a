import { type FieldFault, WarmpathError } from "@warmpath/runtime/base";

/** What one field of a JSON body must be; the sentence completes "must be …". */
export interface FieldRule {
  readonly isRequired: boolean;
  readonly accepts: string;
  readonly test: (text: string) => boolean;
}

/**
 * Reads a JSON object whose fields are all texts. Every fault is listed, unknown fields are refused
 * (they are mostly misspellings), and nothing beyond `bytesMax` is read.
 */
export async function readJsonFields<Name extends string>(
  request: Request,
  bytesMax: number,
  rules: Readonly<Record<Name, FieldRule>>,
): Promise<Partial<Record<Name, string>>> {
  const body = parseObject(await readText(request, bytesMax));
  const faults: FieldFault[] = [];
  for (const name of Object.keys(body)) {
    if (!Object.hasOwn(rules, name)) {
      const known = Object.keys(rules).join(", ");
      faults.push({ field: name, fault: `is not a field of this request; those are: ${known}` });
    }
  }
  const fields: Partial<Record<Name, string>> = {};
  // Object.keys forgets that the keys of a Record<Name, …> are Names.
  for (const name of Object.keys(rules) as Name[]) {
    const value = body[name];
    const fault = faultOf(value, rules[name]);
    if (fault !== undefined) {
      faults.push({ field: name, fault });
    } else if (typeof value === "string") {
      fields[name] = value;
    }
  }
  if (faults.length > 0) {
    const sentence = faults.map(({ field, fault }) => `"${field}" ${fault}`).join("; ");
    throw new WarmpathError("rejected-invalid", `${sentence}.`, { fields: faults });
  }
  return fields;
}

function faultOf(value: unknown, rule: FieldRule): string | undefined {
  if (value === undefined) {
    return rule.isRequired ? `is missing: it must be ${rule.accepts}` : undefined;
  }
  if (typeof value !== "string") {
    return `must be ${rule.accepts}, not ${value === null ? "null" : describe(value)}`;
  }
  return rule.test(value) ? undefined : `must be ${rule.accepts}`;
}

function describe(value: unknown): string {
  if (Array.isArray(value)) {
    return "a list";
  }
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : "";
    throw new WarmpathError("rejected-invalid", `The body is not JSON: ${detail}.`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const kind = value === null ? "null" : describe(value);
    throw new WarmpathError("rejected-invalid", `The body must be a JSON object, not ${kind}.`);
  }
  // A parsed object's keys are texts and its values anything.
  return value as Record<string, unknown>;
}

async function readText(request: Request, bytesMax: number): Promise<string> {
  const tooLarge = () =>
    new WarmpathError(
      "rejected-too-large",
      `The body is larger than the ${bytesMax} bytes accepted.`,
    );
  if (Number(request.headers.get("content-length") ?? 0) > bytesMax) {
    throw tooLarge();
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) {
      throw tooLarge();
    }
    chunks.push(chunk);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new WarmpathError("rejected-invalid", "The body is not UTF-8 text.", { cause });
  }
}
