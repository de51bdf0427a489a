// bun mesh/compose/make-secrets.ts [folder]: the secret files that compose.yaml mounts, made once.

import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** 256 bits, in an alphabet that needs no escaping in a URL. */
function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

/**
 * Writes each secret that is not there yet and returns the names written. A second run changes
 * nothing, so a database keeps the password it was made with. The folder is its owner's alone; the
 * files in it are readable by all, because a container's user is none of the host's and reads them
 * through a mount of the file.
 */
export function makeSecrets(folder: string): readonly string[] {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  const password = newSecret();
  const contents = {
    "principal-keys": newSecret(),
    "dev-key": `wp_${newSecret()}`,
    // Engines of one's own mostly want no key; put a provider's here.
    "upstream-api-key": "",
    // For models that are not public; only the profile gpu reads it.
    "huggingface-token": "",
    // Of the user admin; only the profile observability reads it.
    "grafana-password": newSecret(),
    "postgres-password": password,
    "postgres-url": `postgres://warmpath:${password}@postgres:5432/warmpath`,
  };
  // The URL repeats the password: either both are made, or neither.
  const keepDatabase = existsSync(join(folder, "postgres-password"));
  const written: string[] = [];
  for (const [name, content] of Object.entries(contents)) {
    const path = join(folder, name);
    if (existsSync(path) || (keepDatabase && name === "postgres-url")) {
      continue;
    }
    writeFileSync(path, content, { mode: 0o444 });
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
