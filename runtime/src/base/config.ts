import { type FieldFault, WarmpathError } from "./error.ts";
import { nearestName } from "./nearest-name.ts";
import type { Option } from "./option.ts";

/** A service's settings, keyed by the names its code uses. */
export type Options = Readonly<Record<string, Option<unknown>>>;

/** The values of a table of options. */
export type Config<O extends Options> = {
  readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never;
};

/** Where settings come from; a flag wins over its variable. */
export interface ConfigSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Flags by name without dashes; a flag given without a value is `true`. */
  readonly flags?: Readonly<Record<string, string | boolean | undefined>>;
  /** Variables that other parts of the same process read, so that they are not refused here. */
  readonly knownNames?: readonly string[];
}

const envPrefix = "WARMPATH_";

/** A relation between settings that must hold; the sentence for the reader when it does not. */
export interface Relation<O extends Options> {
  readonly fields: readonly (keyof O & string)[];
  readonly holds: (config: Config<O>) => boolean;
  readonly otherwise: string;
}

/**
 * Reads every setting, or throws one `rejected-config` that lists all faults, each as a sentence
 * that names the variable (or flag), the value given and what would be accepted. Variables with our
 * prefix that nobody declared are faults too, since they are mostly misspellings. Pure.
 */
export function loadConfig<O extends Options>(
  options: O,
  sources: ConfigSources,
  relations: readonly Relation<O>[] = [],
): Config<O> {
  const faults: FieldFault[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, each] of Object.entries(options)) {
    const read = readOption(each, sources);
    if ("fault" in read) {
      faults.push(read.fault);
    } else {
      values[key] = read.value;
    }
  }
  faults.push(...unknownFlags(options, sources), ...unknownVariables(options, sources));
  // Every key of the table was set above unless there are faults, and then nothing is returned.
  const config = values as Config<O>;
  if (faults.length === 0) {
    for (const relation of relations) {
      if (!relation.holds(config)) {
        const names = relation.fields.map((field) => options[field]?.env ?? field);
        faults.push({ field: names.join(", "), fault: relation.otherwise });
      }
    }
  }
  if (faults.length > 0) {
    throw configError(faults);
  }
  return Object.freeze(config);
}

function configError(faults: readonly FieldFault[]): WarmpathError {
  const heading = faults.length === 1 ? "one fault" : `${faults.length} faults`;
  const lines = faults.map(({ fault }) => `  - ${fault}`);
  return new WarmpathError(
    "rejected-config",
    `the configuration has ${heading}:\n${lines.join("\n")}`,
    {
      fields: faults,
    },
  );
}

function readOption(
  each: Option<unknown>,
  sources: ConfigSources,
): { value: unknown } | { fault: FieldFault } {
  const given = textOf(each, sources);
  if (given === undefined) {
    if ("fallback" in each) {
      return { value: each.fallback };
    }
    const flag = each.flag === undefined ? "" : ` (or --${each.flag})`;
    return {
      fault: {
        field: each.env,
        fault: `${each.env}${flag} is not set and has no default: set it to ${each.accepts}.`,
      },
    };
  }
  const parsed = each.parse(given.text);
  if ("fault" in parsed) {
    const shown = each.secret ? "the given value" : JSON.stringify(given.text);
    return {
      fault: { field: given.name, fault: `${given.name} is ${shown}, but ${parsed.fault}.` },
    };
  }
  return parsed;
}

function textOf(
  each: Option<unknown>,
  sources: ConfigSources,
): { name: string; text: string } | undefined {
  const flagged = each.flag === undefined ? undefined : sources.flags?.[each.flag];
  if (flagged !== undefined) {
    return { name: `--${each.flag}`, text: String(flagged) };
  }
  const text = sources.env[each.env];
  // An empty variable is how shells and Compose files spell "not set".
  return text === undefined || text === "" ? undefined : { name: each.env, text };
}

function unknownVariables(options: Options, sources: ConfigSources): FieldFault[] {
  const known = [
    ...Object.values(options).map((each) => each.env as string),
    ...(sources.knownNames ?? []),
  ];
  return Object.keys(sources.env)
    .filter((name) => name.startsWith(envPrefix) && !known.includes(name))
    .map((name) => ({ field: name, fault: unknownSentence(name, known, "") }));
}

function unknownFlags(options: Options, sources: ConfigSources): FieldFault[] {
  const known = Object.values(options).flatMap((each) => each.flag ?? []);
  return Object.keys(sources.flags ?? {})
    .filter((name) => sources.flags?.[name] !== undefined && !known.includes(name))
    .map((name) => ({ field: `--${name}`, fault: unknownSentence(name, known, "--") }));
}

function unknownSentence(name: string, known: readonly string[], dashes: string): string {
  const nearest = nearestName(name, known);
  const hint = nearest === undefined ? "remove it" : `did you mean ${dashes}${nearest}?`;
  return `${dashes}${name} is not a known setting: ${hint}${hint.endsWith("?") ? "" : "."}`;
}
