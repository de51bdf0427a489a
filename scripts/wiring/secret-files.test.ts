import { expect, test } from "bun:test";
import { withSecretFiles } from "./secret-files.ts";

const files: Record<string, string> = {
  "/s/url": "postgres://a@b/c\n",
  "/s/empty": "\n",
  "/s/long": "x".repeat(70_000),
};
const read = (path: string) => {
  const text = files[path];
  if (text === undefined) {
    throw new Error("ENOENT");
  }
  return text;
};

test("a file stands for the variable without _FILE, less its line end", () => {
  expect(withSecretFiles({ WARMPATH_POSTGRES_FILE: "/s/url", HOME: "/h" }, read)).toEqual({
    WARMPATH_POSTGRES: "postgres://a@b/c",
    HOME: "/h",
  });
});

test("an empty file and an empty path mean that nothing is set", () => {
  expect(withSecretFiles({ WARMPATH_A_FILE: "/s/empty", WARMPATH_B_FILE: "" }, read)).toEqual({});
});

test("variables of others are left alone", () => {
  expect(withSecretFiles({ SSL_CERT_FILE: "/none" }, read)).toEqual({ SSL_CERT_FILE: "/none" });
});

test("all faults are told at once, by variable", () => {
  const env = {
    WARMPATH_A_FILE: "/none",
    WARMPATH_B_FILE: "/s/url",
    WARMPATH_B: "set",
    WARMPATH_C_FILE: "/s/long",
  };
  expect(() => withSecretFiles(env, read)).toThrow(
    /WARMPATH_A_FILE names \/none.*WARMPATH_B_FILE and WARMPATH_B are both set.*WARMPATH_C_FILE names/,
  );
});
