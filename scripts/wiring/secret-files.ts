import { readFileSync } from "node:fs";
import { WarmpathError } from "@warmpath/runtime/base";

type Env = Readonly<Record<string, string | undefined>>;

const fileVariable = /^(WARMPATH_\w+)_FILE$/;

/**
 * Longest secret file that is read: no URL or list of keys comes near it, and a wrong path may name
 * anything.
 */
const secretBytesMax = 65_536;

/**
 * The environment with each `WARMPATH_NAME_FILE` replaced by `WARMPATH_NAME` and the text of that
 * file, which is how containers are handed secrets. An empty file means "not set". All faults come
 * in one `rejected-config`.
 */
export function withSecretFiles(
  env: Env,
  read: (path: string) => string = (path) => readFileSync(path, "utf8"),
): Env {
  const result: Record<string, string | undefined> = { ...env };
  const fields: { field: string; fault: string }[] = [];
  for (const [field, path] of Object.entries(env)) {
    const name = fileVariable.exec(field)?.[1];
    if (name === undefined) {
      continue;
    }
    delete result[field];
    if (path === undefined || path === "") {
      continue;
    }
    if (env[name] !== undefined && env[name] !== "") {
      fields.push({ field, fault: `${field} and ${name} are both set: keep one of them.` });
      continue;
    }
    const text = textOf(path, read);
    if (text === undefined) {
      fields.push({ field, fault: `${field} names ${path}, which cannot be read.` });
    } else if (text.length > secretBytesMax) {
      fields.push({ field, fault: `${field} names ${path}, which is too long for a secret.` });
    } else if (text !== "") {
      result[name] = text;
    }
  }
  if (fields.length > 0) {
    throw new WarmpathError("rejected-config", fields.map(({ fault }) => fault).join(" "), {
      fields,
    });
  }
  return result;
}

function textOf(path: string, read: (path: string) => string): string | undefined {
  try {
    // Editors and `echo` leave a line end that belongs to no secret.
    return read(path).trim();
  } catch {
    // Missing, a directory, or not ours to read: the sentence names the path either way.
    return undefined;
  }
}
