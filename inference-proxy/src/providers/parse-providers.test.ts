import { describe, expect, test } from "bun:test";
import { parseProviders, type SecretSource } from "./parse-providers.ts";

const secrets: SecretSource = {
  variable: (name) => ({ ANTHROPIC_API_KEY: "sk-a", MINE: " sk-m\n", BLANK: " " })[name],
  file: (path) => {
    if (path !== "/keys/gemini") {
      throw new Error("no such file");
    }
    return "g-1\n";
  },
};

describe("parseProviders()", () => {
  test("knows where each kind lives and which variable holds its key", () => {
    const [address] = parseProviders(["anthropic"], secrets);
    expect(address).toMatchObject({
      name: "api.anthropic.com",
      baseUrl: "https://api.anthropic.com",
      authorization: undefined,
      provider: {
        kind: "anthropic",
        headers: { "x-api-key": "sk-a", "anthropic-version": "2023-06-01" },
      },
    });
  });

  test("takes another address, name and key, models by our names, and a bound", () => {
    const [address] = parseProviders(
      [
        "openai=https://eu.example.com/v1 name=eu key-env=MINE models=big=org/big|small in-flight=8",
      ],
      secrets,
    );
    expect(address).toMatchObject({
      name: "eu",
      baseUrl: "https://eu.example.com",
      provider: {
        headers: { authorization: "Bearer sk-m" },
        models: new Map([
          ["big", "org/big"],
          ["small", "small"],
        ]),
        inFlightMax: 8,
      },
    });
  });

  test("reads a key from a file", () => {
    const [address] = parseProviders(["gemini key-file=/keys/gemini"], secrets);
    expect(address?.provider?.headers).toEqual({ "x-goog-api-key": "g-1" });
  });

  test.each([
    ["mistral", "no kind of provider"],
    ["openai", "OPENAI_API_KEY holds no key"],
    ["openai key-env=BLANK", "BLANK holds no key"],
    ["gemini key-file=/nowhere", "cannot be read"],
    ["anthropic key=sk-secret", "does not belong into a setting"],
    ["anthropic region=eu", '"region" is not one of'],
    ["anthropic=http://example.com", "must be https"],
    ["anthropic=https://user:sk-secret@example.com", "must not hold credentials"],
    ["anthropic in-flight=many", "in-flight"],
  ])("refuses %p, and repeats no secret", (entry, fault) => {
    let told = "";
    try {
      parseProviders([entry], secrets);
    } catch (error) {
      told = String(error);
    }
    expect(told).toContain("WARMPATH_PROVIDERS");
    expect(told).toContain(fault);
    expect(told).not.toContain("sk-");
  });
});
