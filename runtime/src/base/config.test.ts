import { describe, expect, test } from "bun:test";
import { loadConfig } from "./config.ts";
import { WarmpathError } from "./error.ts";
import { option } from "./option.ts";
import { renderOptionsHelp, renderOptionsMarkdown } from "./render-options.ts";

const options = {
  port: option.int({
    env: "WARMPATH_PORT",
    flag: "port",
    default: 8700,
    min: 1,
    max: 65_535,
    doc: "First port of the block.",
  }),
  postgres: option.url({
    env: "WARMPATH_POSTGRES",
    flag: "postgres",
    default: undefined,
    protocols: ["postgres", "postgresql"],
    doc: "PostgreSQL instead of the embedded one.",
  }),
  level: option.choice({
    env: "WARMPATH_LOG_LEVEL",
    choices: ["debug", "info"],
    default: "info",
    doc: "Least severe line that is written.",
  }),
  drainMs: option.int({
    env: "WARMPATH_DRAIN_MS",
    default: 10_000,
    min: 0,
    unit: "ms",
    doc: "Time that open work gets at the end.",
    why: "Well below the 30 s of Kubernetes.",
  }),
  share: option.number({ env: "WARMPATH_SHARE", default: 0.5, min: 0, max: 1, doc: "A share." }),
  origins: option.list({ env: "WARMPATH_ORIGINS", default: [], doc: "Allowed origins." }),
  tls: option.bool({ env: "WARMPATH_TLS", flag: "tls", default: false, doc: "Use TLS." }),
  signingKey: option.secret({
    env: "WARMPATH_SIGNING_KEY",
    doc: "Signs principals.",
    maxLength: 64,
  }),
};

const given = { WARMPATH_SIGNING_KEY: "s3cret" };

function faultsOf(env: Record<string, string>, flags = {}): readonly string[] {
  try {
    loadConfig(options, { env, flags });
  } catch (error) {
    expect(error).toBeInstanceOf(WarmpathError);
    const { reason, fields } = WarmpathError.from(error);
    expect(reason).toBe("rejected-config");
    return fields.map(({ fault }) => fault);
  }
  return [];
}

describe("configuration", () => {
  test("comes from defaults, variables and flags, and a flag wins", () => {
    const env = { ...given, WARMPATH_PORT: "9000", WARMPATH_ORIGINS: "a, b,", PATH: "/bin" };
    const config = loadConfig(options, { env, flags: { port: "9_100", tls: true } });
    expect(config).toEqual({
      port: 9100,
      postgres: undefined,
      level: "info",
      drainMs: 10_000,
      share: 0.5,
      origins: ["a", "b"],
      tls: true,
      signingKey: "s3cret",
    });
    const port: number = config.port;
    const postgres: string | undefined = config.postgres;
    const level: "debug" | "info" = config.level;
    expect([port, postgres, level]).toBeDefined();
  });

  test("an empty variable counts as not set", () => {
    expect(loadConfig(options, { env: { ...given, WARMPATH_PORT: "" } }).port).toBe(8700);
  });

  test("all faults are reported at once, each a sentence with name, value and remedy", () => {
    const env = {
      WARMPATH_PORT: "70000",
      WARMPATH_POSTGRES: "mysql://x",
      WARMPATH_LOG_LEVEL: "loud",
      WARMPATH_SHARE: "half",
      WARMPATH_TLS: "maybe",
      WARMPATH_PROT: "1",
      WARMPATH_UNHEARD_OF_ENTIRELY: "1",
    };
    expect(faultsOf(env, { drain: "1" })).toEqual([
      'WARMPATH_PORT is "70000", but must be a whole number from 1 to 65535.',
      'WARMPATH_POSTGRES is "mysql://x", but must be a URL that starts with ' +
        "postgres:// or postgresql://.",
      'WARMPATH_LOG_LEVEL is "loud", but must be one of debug, info.',
      'WARMPATH_SHARE is "half", but must be a number from 0 to 1.',
      'WARMPATH_TLS is "maybe", but must be true or false.',
      "WARMPATH_SIGNING_KEY is not set and has no default: set it to a text.",
      "--drain is not a known setting: remove it.",
      "WARMPATH_PROT is not a known setting: did you mean WARMPATH_PORT?",
      "WARMPATH_UNHEARD_OF_ENTIRELY is not a known setting: remove it.",
    ]);
  });

  test("a secret is never shown, not even a wrong one", () => {
    const [fault] = faultsOf({ WARMPATH_SIGNING_KEY: "x".repeat(65) });
    expect(fault).toContain("WARMPATH_SIGNING_KEY is the given value");
    expect(fault).not.toContain("xxx");
  });

  test("variables that another part of the process reads are not refused", () => {
    const env = { ...given, WARMPATH_OTHER: "1" };
    expect(loadConfig(options, { env, knownNames: ["WARMPATH_OTHER"] }).port).toBe(8700);
  });

  test("relations between settings are checked", () => {
    const relation = {
      fields: ["drainMs", "port"] as const,
      holds: (config: { drainMs: number; port: number }) => config.drainMs < config.port,
      otherwise: "the drain must be shorter than the port is high",
    };
    expect(() => loadConfig(options, { env: given }, [relation])).toThrow("the drain must be");
  });

  test("numbers that only look like numbers are refused", () => {
    for (const text of ["", " 1", "1.5", "0x10", "1e3", "NaN", "-1", "99999999999999999999"]) {
      expect(faultsOf({ ...given, WARMPATH_PORT: text || " " })).toHaveLength(1);
    }
  });

  test("the table documents itself", () => {
    expect(renderOptionsHelp(options)).toContain("--port INT");
    const markdown = renderOptionsMarkdown(options);
    expect(markdown).toContain(
      "| `WARMPATH_DRAIN_MS` |  | a whole number not below 0, in ms | 10000 ms |",
    );
    expect(markdown).toContain("| `WARMPATH_SIGNING_KEY` |  | a text | required |");
  });
});
