import { describe, expect, test } from "bun:test";
import { isConnectionFault, storeErrorFrom } from "./store-error.ts";

function coded(code: string): Error {
  return Object.assign(new Error(`write ${code}`), { code });
}

describe("storeErrorFrom()", () => {
  test("takes the errors of a socket for what they are, though one looks like an SQLSTATE", () => {
    for (const code of ["EPIPE", "ECONNRESET", "ENOENT"]) {
      expect(isConnectionFault(coded(code))).toBe(true);
      expect(storeErrorFrom(coded(code), true).reason).toBe("failed-store");
      expect(storeErrorFrom(coded(code), false).reason).toBe("rejected-unavailable");
    }
  });

  test("tells a fault of a statement from one of the connection", () => {
    expect(isConnectionFault(coded("42P01"))).toBe(false);
    expect(storeErrorFrom(coded("42P01"), true).reason).toBe("failed-internal");
    expect(isConnectionFault(coded("57P01"))).toBe(true);
  });
});
