import { messageOf, WarmpathError } from "@warmpath/runtime/base";
import { badRequest } from "../api/errors.ts";
import { isObject } from "../json.ts";

/** A fault that strikes an answer once so many of its tokens were sent. */
export interface AfterTokens {
  /** Share of the answers that it strikes, 0 to 1. */
  readonly rate: number;
  /** Tokens sent before it strikes; 0: before the first. */
  readonly afterTokens: number;
}

/** What is wrong with a replica at the moment; everything left out is well. */
export interface FaultSettings {
  /** Share of the requests refused with each status, 0 to 1; their sum is at most 1. */
  readonly errors?: Readonly<Record<string, number>>;
  /** The answer goes silent for `ms`, then goes on. */
  readonly stall?: AfterTokens & { readonly ms: number };
  /** The connection is cut. */
  readonly die?: AfterTokens;
  /** A stream tells an error and ends as if all were well; other answers become that error. */
  readonly streamError?: AfterTokens & { readonly status: number };
  /** Connections are accepted and nothing is answered, not even what has begun. */
  readonly hang?: boolean;
  /** Factor on every step time. */
  readonly slowdown?: number;
  /** Share of the KV event batches that reach no subscriber, 0 to 1. */
  readonly lostEvents?: number;
}

/** Reads what a flag or the control endpoint was given; throws what is wrong with it. */
export function faultSettingsFrom(value: unknown): FaultSettings {
  if (!isObject(value)) throw badRequest("faults must be a JSON object");
  for (const [name, member] of Object.entries(value)) {
    const check = checks[name];
    if (check === undefined) {
      throw badRequest(`unknown fault ${name}; known: ${Object.keys(checks).join(", ")}`, name);
    }
    check(member, name);
  }
  const read: { -readonly [name in keyof FaultSettings]: FaultSettings[name] } = { ...value };
  for (const [name, defaults] of Object.entries(strikeDefaults)) {
    const given = value[name];
    // The checks below have seen every member.
    if (isObject(given)) Object.assign(read, { [name]: { ...defaults, ...given } });
  }
  return read;
}

/** Reads the value of `--faults`; throws `rejected-invalid` with what is wrong with it. */
export function faultSettingsOf(flag: string): FaultSettings {
  try {
    return faultSettingsFrom(JSON.parse(flag));
  } catch (error) {
    throw new WarmpathError("rejected-invalid", `--faults: ${messageOf(error)}`, { cause: error });
  }
}

/** Only what each may have: settings that were shown can be set again. */
const strikeDefaults = {
  stall: { rate: 1, afterTokens: 4, ms: 10_000 },
  die: { rate: 1, afterTokens: 4 },
  streamError: { rate: 1, afterTokens: 4, status: 500 },
};

const checks: Readonly<Record<string, (value: unknown, name: string) => void>> = {
  errors(value, name) {
    if (!isObject(value)) throw badRequest(`${name} must name a share for each status`, name);
    let sum = 0;
    for (const [status, rate] of Object.entries(value)) {
      if (!/^[45]\d\d$/.test(status)) throw badRequest(`${status} is no error status`, name);
      checkNumber(rate, `${name}.${status}`, 0, 1);
      sum += Number(rate);
    }
    if (sum > 1) throw badRequest(`the shares of ${name} must not exceed 1 together`, name);
  },
  stall: checkStrike,
  die: checkStrike,
  streamError: checkStrike,
  hang(value, name) {
    if (typeof value !== "boolean") throw badRequest(`${name} must be true or false`, name);
  },
  slowdown: (value, name) => checkNumber(value, name, 0.001, 1000),
  lostEvents: (value, name) => checkNumber(value, name, 0, 1),
};

function checkStrike(value: unknown, name: string): void {
  if (!isObject(value)) throw badRequest(`${name} must be an object`, name);
  for (const [key, member] of Object.entries(value)) {
    if (key === "rate") checkNumber(member, `${name}.${key}`, 0, 1);
    else if (key === "afterTokens") checkNumber(member, `${name}.${key}`, 0, 1_000_000);
    else if (key === "ms" && name === "stall") checkNumber(member, `${name}.ms`, 0, 3_600_000);
    else if (key === "status" && name === "streamError")
      checkNumber(member, `${name}.status`, 400, 599);
    else throw badRequest(`${name} has no ${key}`, name);
  }
}

function checkNumber(value: unknown, name: string, min: number, max: number): void {
  if (typeof value === "number" && value >= min && value <= max) return;
  throw badRequest(`${name} must be a number from ${min} to ${max}`, name);
}
