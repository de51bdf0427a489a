/** One setting: its names, default, documentation, and how its text becomes a value. */
export interface Option<T> {
  /** Environment variable; also how faults and documentation name it. */
  readonly env: `WARMPATH_${string}`;
  /** Command-line flag without its dashes; absent for settings that have none. */
  readonly flag?: string;
  readonly kind: OptionKind;
  /** What the setting does, as one sentence. */
  readonly doc: string;
  /** Unit of the value, such as "ms", where the name does not already say it. */
  readonly unit?: string;
  /** Why the default is what it is. */
  readonly why?: string;
  /** The value when nothing is set; absent means that the setting must be given. */
  readonly fallback?: T;
  /** True when the value must never be printed. */
  readonly secret: boolean;
  /** What is accepted, in words, for documentation and faults. */
  readonly accepts: string;
  /** The value for a text, or the second half of a sentence: "must be …". */
  readonly parse: (text: string) => Parsed<T>;
}

/** Kind of a setting's value. */
export type OptionKind = "text" | "int" | "number" | "bool" | "url" | "list" | "choice" | "secret";

/** The base type, with `undefined` added when the default is `undefined`. */
type Widen<Default, Base> = undefined extends Default ? Base | undefined : Base;

type Parsed<T> = { readonly value: T } | { readonly fault: string };

/** What every declaration of an option says. */
export interface OptionSpec<T> {
  readonly env: `WARMPATH_${string}`;
  readonly flag?: string;
  readonly doc: string;
  readonly unit?: string;
  readonly why?: string;
  /** Absent: must be given. `undefined`: may be left out, and the value is then `undefined`. */
  readonly default?: T;
}

interface Range {
  readonly min?: number;
  readonly max?: number;
}

interface Length {
  /** Longest accepted text, in characters. */
  readonly maxLength?: number;
}

/** Longest text of a setting unless its declaration says otherwise. */
const maxTextChars = 4096;
const maxListItems = 256;

/**
 * Declares one setting of a service; the same table makes flags, variables, `--help` and the
 * documentation.
 */
export const option = {
  /** Any text that is not empty. */
  text: <D extends string | undefined = string>(
    spec: OptionSpec<D> & Length,
  ): Option<Widen<D, string>> =>
    make(spec, "text", "a text", (text) => parseText(text, spec.maxLength)),

  /** Text that is never printed. */
  secret: <D extends string | undefined = string>(
    spec: OptionSpec<D> & Length,
  ): Option<Widen<D, string>> =>
    make(spec, "secret", "a text", (text) => parseText(text, spec.maxLength)),

  /** A whole number, digits only (`_` between digits is allowed). */
  int: <D extends number | undefined = number>(
    spec: OptionSpec<D> & Range,
  ): Option<Widen<D, number>> =>
    make(spec, "int", `a whole number${rangeText(spec)}`, (text) => parseNumber(text, spec, true)),

  /** A decimal number. */
  number: <D extends number | undefined = number>(
    spec: OptionSpec<D> & Range,
  ): Option<Widen<D, number>> =>
    make(spec, "number", `a number${rangeText(spec)}`, (text) => parseNumber(text, spec, false)),

  /** true, false, 1, 0, yes, no, on or off. */
  bool: <D extends boolean | undefined = boolean>(spec: OptionSpec<D>): Option<Widen<D, boolean>> =>
    make(spec, "bool", "true or false", (text) => parseBool(text)),

  /** An absolute URL; `protocols` names the accepted schemes without their colon. */
  url: <D extends string | undefined = string>(
    spec: OptionSpec<D> & { readonly protocols?: readonly string[] },
  ): Option<Widen<D, string>> =>
    make(spec, "url", urlText(spec.protocols), (text) => parseUrl(text, spec.protocols)),

  /** Texts separated by commas. */
  list: <D extends readonly string[] | undefined = readonly string[]>(
    spec: OptionSpec<D> & { readonly maxItems?: number },
  ): Option<Widen<D, readonly string[]>> => {
    const maxItems = spec.maxItems ?? maxListItems;
    return make(spec, "list", `at most ${maxItems} texts separated by commas`, (text) =>
      parseList(text, maxItems),
    );
  },

  /** One of the listed words. */
  choice: <const C extends string>(
    spec: OptionSpec<NoInfer<C>> & { readonly choices: readonly C[] },
  ): Option<C> => {
    const accepts = `one of ${spec.choices.join(", ")}`;
    return make<C>(spec, "choice", accepts, (text) => {
      const found = spec.choices.find((choice) => choice === text);
      return found === undefined ? { fault: `must be ${accepts}` } : { value: found };
    });
  },
};

function make<T>(
  spec: OptionSpec<NoInfer<T> | undefined>,
  kind: OptionKind,
  accepts: string,
  parse: (text: string) => Parsed<T>,
): Option<T> {
  return {
    env: spec.env,
    ...(spec.flag === undefined ? {} : { flag: spec.flag }),
    kind,
    doc: spec.doc,
    ...(spec.unit === undefined ? {} : { unit: spec.unit }),
    ...(spec.why === undefined ? {} : { why: spec.why }),
    // Presence of the key is what makes a setting optional, even with the value undefined.
    ...("default" in spec ? { fallback: spec.default as T } : {}),
    secret: kind === "secret",
    accepts,
    parse,
  };
}

// The parsers return the base type; an option's type adds only `undefined`, which no text stands
// for.

function parseText<T>(text: string, maxLength = maxTextChars): Parsed<T> {
  if (text.length === 0) {
    return { fault: "must not be empty" };
  }
  if (text.length > maxLength) {
    return { fault: `must be at most ${maxLength} characters, not ${text.length}` };
  }
  return { value: text as T };
}

function parseNumber<T>(text: string, range: Range, whole: boolean): Parsed<T> {
  const accepts = `${whole ? "a whole number" : "a number"}${rangeText(range)}`;
  const pattern = whole ? /^-?\d[\d_]*$/ : /^-?\d[\d_]*(\.\d+)?([eE][+-]?\d+)?$/;
  const value = pattern.test(text) ? Number(text.replaceAll("_", "")) : Number.NaN;
  const inRange = value >= (range.min ?? -Infinity) && value <= (range.max ?? Infinity);
  if (!inRange || (whole && !Number.isSafeInteger(value))) {
    return { fault: `must be ${accepts}` };
  }
  return { value: value as T };
}

function rangeText({ min, max }: Range): string {
  if (min !== undefined && max !== undefined) {
    return ` from ${min} to ${max}`;
  }
  if (min !== undefined) {
    return ` not below ${min}`;
  }
  return max === undefined ? "" : ` not above ${max}`;
}

function parseBool<T>(text: string): Parsed<T> {
  if (/^(true|1|yes|on)$/i.test(text)) {
    return { value: true as T };
  }
  if (/^(false|0|no|off)$/i.test(text)) {
    return { value: false as T };
  }
  return { fault: "must be true or false" };
}

function urlText(protocols: readonly string[] | undefined): string {
  return protocols === undefined
    ? "a URL"
    : `a URL that starts with ${protocols.map((p) => `${p}://`).join(" or ")}`;
}

function parseUrl<T>(text: string, protocols: readonly string[] | undefined): Parsed<T> {
  const url = URL.parse(text);
  const known =
    url !== null && (protocols === undefined || protocols.includes(url.protocol.slice(0, -1)));
  return known ? { value: text as T } : { fault: `must be ${urlText(protocols)}` };
}

function parseList<T>(text: string, maxItems: number): Parsed<T> {
  const items = text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item.length > 0);
  return items.length > maxItems
    ? { fault: `must have at most ${maxItems} items, not ${items.length}` }
    : { value: items as unknown as T };
}
