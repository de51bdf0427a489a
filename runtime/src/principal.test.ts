import { describe, expect, test } from "bun:test";
import { WarmpathError } from "./base/index.ts";
import { createPrincipalSigner, type Principal, servicePrincipal } from "./principal.ts";
import { createManualClock } from "./testing/manual-clock.ts";

const keys = ["key-one-is-long-enough", "key-two-is-long-enough"] as const;
const principal: Principal = {
  tenant: "acme",
  user: "älice@example.com",
  keyId: "key_1",
  agentChain: ["supervisor", "researcher"],
};

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return WarmpathError.from(error).reason;
  }
  return "accepted";
}

describe("a signed principal", () => {
  const clock = createManualClock();
  const signer = createPrincipalSigner([keys[0]], clock);

  test("is read as it was signed", () => {
    expect(signer.verify(signer.sign(principal))).toEqual(principal);
    expect(signer.verify(signer.sign(servicePrincipal("state"))).tenant).toBe("system");
  });

  test("fits in a header", () => {
    expect(signer.sign(principal)).toMatch(/^[\x21-\x7e]+$/);
  });

  test("survives a rotation of keys, in both directions", () => {
    const rotating = createPrincipalSigner([keys[1], keys[0]], clock);
    expect(rotating.verify(signer.sign(principal))).toEqual(principal);
    const waiting = createPrincipalSigner([keys[0], keys[1]], clock);
    expect(waiting.verify(rotating.sign(principal))).toEqual(principal);
    expect(refusal(() => signer.verify(rotating.sign(principal)))).toBe("rejected-unsigned");
  });

  test("is refused after its expiry", async () => {
    const text = signer.sign(principal);
    await clock.advance(5 * 60_000);
    expect(refusal(() => signer.verify(text))).toBe("accepted");
    await clock.advance(31_000);
    expect(refusal(() => signer.verify(text))).toBe("rejected-unsigned");
  });

  test("is refused when anything about it is changed", () => {
    const text = signer.sign(principal);
    const [, payload = "", mac = ""] = text.split(".");
    const other = Buffer.from(payload, "base64url");
    other[9] = (other[9] ?? 0) ^ 1;
    const forgeries = [
      "",
      "v1",
      "v1..",
      `v2.${payload}.${mac}`,
      `v1.${other.toString("base64url")}.${mac}`,
      `v1.${payload}.${mac.slice(0, -2)}`,
      `v1.${payload}.${mac}.x`,
      `v1.AAAA.${mac}`,
      `v1.${"A".repeat(10_000)}.${mac}`,
    ];
    for (const forgery of forgeries) {
      expect(refusal(() => signer.verify(forgery))).toBe("rejected-unsigned");
    }
  });

  test("is not made for a tenant that could be mistaken for something else", () => {
    expect(() => signer.sign({ ...principal, tenant: "a.b" })).toThrow();
    expect(() => signer.sign({ ...principal, tenant: "" })).toThrow();
  });
});

test("a signer needs at least one key, and long ones", () => {
  expect(() => createPrincipalSigner([], createManualClock())).toThrow();
  expect(() => createPrincipalSigner(["short"], createManualClock())).toThrow();
});
