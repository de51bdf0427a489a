// bun mesh/compose/make-secrets.ts [folder]: the secret files that compose.yaml mounts, made once.

import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** 256 bits, in an alphabet that needs no escaping in a URL. */
function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** Optional keys, empty until somebody fills them; all but the last are the inference proxy's. */
const keysToFill = [
  // Engines of one's own mostly want none.
  "upstream-api-key",
  "anthropic-api-key",
  "gemini-api-key",
  "openai-api-key",
  // For models that are not public; only the profile gpu reads it.
  "huggingface-token",
];

// Readable by all whatever the umask: a container's user is none of the host's.
const modeMade = 0o444;
const modeToFill = 0o644;

/**
 * Writes each secret that is not there yet and returns the names written. A second run changes
 * nothing, so a database keeps the password it was made with, and a later version gets the files it
 * asks for. The folder is its owner's alone; the files in it are readable by all, because a
 * container reads them through a mount of the file. Empty ones are the owner's to write into.
 */
export function makeSecrets(folder: string): readonly string[] {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  const password = newSecret();
  const contents = {
    "principal-keys": newSecret(),
    "dev-key": `wp_${newSecret()}`,
    // Of the user admin; only the profile observability reads it.
    "grafana-password": newSecret(),
    "postgres-password": password,
    "postgres-url": `postgres://warmpath:${password}@postgres:5432/warmpath`,
    ...Object.fromEntries(keysToFill.map((name) => [name, ""])),
  };
  // The URL repeats the password: either both are made, or neither.
  const keepDatabase = existsSync(join(folder, "postgres-password"));
  const written: string[] = [];
  for (const [name, content] of Object.entries(contents)) {
    const path = join(folder, name);
    if (existsSync(path) || (keepDatabase && name === "postgres-url")) {
      continue;
    }
    writeFileSync(path, content);
    chmodSync(path, content === "" ? modeToFill : modeMade);
    written.push(name);
  }
  return written;
}

if (import.meta.main) {
  const folder = process.argv[2] ?? join(import.meta.dir, "secrets");
  const written = makeSecrets(folder);
  process.stdout.write(
    written.length === 0
      ? `Nothing to do: ${folder} is complete.\n`
      : `Wrote ${written.join(", ")} to ${folder}.\n`,
  );
}
