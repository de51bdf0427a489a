import { WarmpathError } from "@warmpath/runtime/base";
import {
  type HostedKind,
  type HostedProvider,
  parseReplicaAddresses,
  type ReplicaAddress,
} from "../upstream/replica.ts";

/*
 * `KIND[=URL] [name=NAME] [key-env=VARIABLE | key-file=PATH] [models=NAME[=THEIRS]|…]
 * [in-flight=N]`: one line of configuration for each provider. A key is never part of it.
 */

/** Where keys are read from, once, at the start. */
export interface SecretSource {
  variable(name: string): string | undefined;
  /** Throws when it cannot be read. */
  file(path: string): string;
}

interface KindFacts {
  readonly url: string;
  readonly keyVariable: string;
  /** How the key is sent, and what else the API wants in each request. */
  headersOf(key: string): Readonly<Record<string, string>>;
}

/** The version of Anthropic's API that its messages are written for; the only one since 2023. */
const anthropicVersion = "2023-06-01";

const kinds: Readonly<Record<HostedKind, KindFacts>> = {
  openai: {
    url: "https://api.openai.com",
    keyVariable: "OPENAI_API_KEY",
    headersOf: (key) => ({ authorization: `Bearer ${key}` }),
  },
  anthropic: {
    url: "https://api.anthropic.com",
    keyVariable: "ANTHROPIC_API_KEY",
    headersOf: (key) => ({ "x-api-key": key, "anthropic-version": anthropicVersion }),
  },
  gemini: {
    url: "https://generativelanguage.googleapis.com",
    keyVariable: "GEMINI_API_KEY",
    headersOf: (key) => ({ "x-goog-api-key": key }),
  },
};

/** Reads all entries; throws `rejected-config` with what is wrong, and never with a key. */
export function parseProviders(
  entries: readonly string[],
  secrets: SecretSource,
): readonly ReplicaAddress[] {
  return entries.map((entry) => parseProvider(entry, secrets));
}

function parseProvider(entry: string, secrets: SecretSource): ReplicaAddress {
  const [head = "", ...words] = entry.trim().split(/\s+/);
  const [kind = "", url] = splitOnce(head);
  if (!isHostedKind(kind)) {
    throw fault(`"${kind}" is no kind of provider: ${Object.keys(kinds).join(", ")}`);
  }
  const settings = parseSettings(kind, words);
  const address = addressOf(kind, url ?? kinds[kind].url);
  const key = readKey(kind, settings, secrets);
  const provider: HostedProvider = {
    kind,
    key,
    headers: kinds[kind].headersOf(key),
    models: parseModels(settings.get("models")),
    inFlightMax: parseInFlight(kind, settings.get("in-flight")),
  };
  return { ...address, name: settings.get("name") ?? address.name, provider };
}

const settingNames: ReadonlySet<string> = new Set([
  "name",
  "key-env",
  "key-file",
  "models",
  "in-flight",
]);

function parseSettings(kind: string, words: readonly string[]): ReadonlyMap<string, string> {
  const settings = new Map<string, string>();
  for (const word of words) {
    const [name, value] = splitOnce(word);
    if (name === "key") {
      throw fault(`${kind}: a key does not belong into a setting: use key-env or key-file`);
    }
    if (!settingNames.has(name) || value === undefined || value === "") {
      // The value may be a secret that was put into the wrong place.
      throw fault(`${kind}: "${name}" is not one of ${[...settingNames].join(", ")} with a value`);
    }
    settings.set(name, value);
  }
  return settings;
}

function addressOf(kind: HostedKind, url: string): ReplicaAddress {
  const [address] = parseReplicaAddresses([url], undefined);
  if (address === undefined || address.authorization !== undefined) {
    throw fault(`${kind}: its URL must not hold credentials`);
  }
  const { hostname } = new URL(url);
  const isLocal = hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";
  if (address.origin !== undefined && !isLocal) {
    throw fault(`${kind}: its URL must be https: the key would travel in the clear`);
  }
  return address;
}

function readKey(
  kind: HostedKind,
  settings: ReadonlyMap<string, string>,
  secrets: SecretSource,
): string {
  const path = settings.get("key-file");
  if (path !== undefined) {
    try {
      return checkKey(kind, secrets.file(path).trim());
    } catch (error) {
      throw fault(`${kind}: its key-file ${path} cannot be read or is empty`, error);
    }
  }
  const variable = settings.get("key-env") ?? kinds[kind].keyVariable;
  const key = secrets.variable(variable)?.trim() ?? "";
  if (key === "") {
    throw fault(`${kind}: the variable ${variable} holds no key`);
  }
  return checkKey(kind, key);
}

function checkKey(kind: HostedKind, key: string): string {
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw fault(`${kind}: its key is empty or has characters that no key has`);
  }
  return key;
}

function parseModels(text: string | undefined): ReadonlyMap<string, string> {
  const names = text === undefined ? [] : text.split("|").filter((name) => name !== "");
  return new Map(
    names.map((name) => {
      const [ours, theirs] = splitOnce(name);
      return [ours, theirs ?? ours];
    }),
  );
}

function parseInFlight(kind: HostedKind, text: string | undefined): number | undefined {
  if (text === undefined) {
    return undefined;
  }
  if (!/^[1-9]\d{0,5}$/.test(text)) {
    throw fault(`${kind}: in-flight must be a whole number from 1`);
  }
  return Number(text);
}

/** A text before its first equals sign, and what is behind it. */
function splitOnce(text: string): readonly [string, string | undefined] {
  const at = text.indexOf("=");
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function isHostedKind(text: string): text is HostedKind {
  return Object.hasOwn(kinds, text);
}

function fault(message: string, cause?: unknown): WarmpathError {
  return new WarmpathError("rejected-config", `WARMPATH_PROVIDERS: ${message}`, { cause });
}
