import { randomBytes } from "node:crypto";
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { WarmpathError } from "@warmpath/runtime/base";

/** Where one process keeps what it must find again, unless told otherwise. */
export const defaultDataDir = ".warmpath";

/** Holds the development API key. */
export const devKeyFile = "dev-key";

/** Holds the key that signs principals between services. */
export const principalKeyFile = "principal-key";

/** Creates the directory, readable by its owner only. Fails with a sentence that names it. */
export function prepareDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new WarmpathError(
      "rejected-config",
      `the data directory ${dataDir} cannot be created: check --data-dir and its permissions`,
      { cause },
    );
  }
  try {
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new WarmpathError(
      "rejected-config",
      `the data directory ${dataDir} cannot be read and written by this user: check its owner, or give another with --data-dir`,
      { cause },
    );
  }
}

/**
 * The secret in a file of the data directory; made at the first start by `make`, kept from then on.
 */
export function keptSecret(dataDir: string, file: string, make: () => string): string {
  const path = join(dataDir, file);
  if (existsSync(path)) {
    const kept = readFileSync(path, "utf8").trim();
    if (kept !== "") {
      return kept;
    }
  }
  const made = make();
  writeFileSync(path, `${made}\n`, { mode: 0o600 });
  chmodSync(path, 0o600);
  return made;
}

/** A new secret of 256 bits with a prefix that tells people and scanners what it is. */
export function newSecret(prefix: string): string {
  return `${prefix}${randomBytes(32).toString("base64url")}`;
}
