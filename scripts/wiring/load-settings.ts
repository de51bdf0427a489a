import { gatewayOptions } from "@warmpath/gateway";
import { inferenceProxyOptions, inferenceProxyRelations } from "@warmpath/inference-proxy";
import { orchestratorOptions } from "@warmpath/orchestrator";
import { type Config, loadConfig, type Options, type Relation } from "@warmpath/runtime/base";
import { stateOptions, stateRelations } from "@warmpath/state";
import { systemOptions, systemRelations } from "./options.ts";
import { withSecretFiles } from "./secret-files.ts";

/** Every table of settings there is, by the part that reads it. */
export const optionTables = {
  system: systemOptions,
  gateway: gatewayOptions,
  orchestrator: orchestratorOptions,
  inferenceProxy: inferenceProxyOptions,
  state: stateOptions,
};

/** The settings of every part. */
export type Settings = {
  readonly [T in keyof typeof optionTables]: Config<(typeof optionTables)[T]>;
};

/** Where the settings are given. */
export interface SettingSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
}

/**
 * Variables that name things for other commands or for tests. They may be set in the same
 * environment, so they are not taken for misspellings.
 */
const variablesOfOthers = /^WARMPATH_(URL|TEST_\w+_URL)$/;

/** Reads the settings of all parts at once, so that one error lists every fault there is. */
export function loadSettings(sources: SettingSources): Settings {
  const env = withSecretFiles(sources.env);
  const merged: Record<string, Options[string]> = {};
  for (const [part, options] of Object.entries(optionTables)) {
    for (const [key, each] of Object.entries(options)) {
      merged[`${part}.${key}`] = each;
    }
  }
  const knownNames = Object.keys(env).filter((name) => variablesOfOthers.test(name));
  const loaded: Readonly<Record<string, unknown>> = loadConfig(
    merged,
    { env, flags: sources.flags, knownNames },
    relations,
  );
  const settings = Object.fromEntries(
    Object.keys(optionTables).map((part) => [part, partOf(loaded, part)]),
  );
  // Rebuilt with the very keys it was merged from.
  return settings as unknown as Settings;
}

/** One part's settings out of the merged ones. */
function partOf(
  merged: Readonly<Record<string, unknown>>,
  part: string,
): Readonly<Record<string, unknown>> {
  const prefix = `${part}.`;
  return Object.fromEntries(
    Object.entries(merged)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), value]),
  );
}

/** The relations of one part, read from the merged settings. */
function relationsOf<O extends Options>(
  part: string,
  relations: readonly Relation<O>[],
): Relation<Options>[] {
  return relations.map(({ fields, holds, otherwise }) => ({
    fields: fields.map((field) => `${part}.${field}`),
    // The part's own table, which `partOf` puts together again.
    holds: (merged) => holds(partOf(merged, part) as Config<O>),
    otherwise,
  }));
}

const relations = [
  ...relationsOf("system", systemRelations),
  ...relationsOf("inferenceProxy", inferenceProxyRelations),
  ...relationsOf("state", stateRelations),
];
