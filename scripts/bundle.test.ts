// Goal: what an image holds finds everything that it opens, without packages and sources.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "./bundle.ts";

const folder = join(mkdtempSync(join(tmpdir(), "warmpath-bundle-")), "app");
const entry = join(folder, "scripts/warmpath.js");

beforeAll(() => bundle(folder));
afterAll(() => rmSync(join(folder, ".."), { recursive: true }));

function run(...args: readonly string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, ...args], { cwd: folder });
  return { exitCode, said: stdout.toString() + stderr.toString() };
}

test("each entry runs where there are no packages", () => {
  expect(run(entry, "--version")).toEqual({ exitCode: 0, said: "0.1.0\n" });
  const replica = run(join(folder, "benchmarks/replica/main.js"), "--help");
  expect(replica).toMatchObject({ exitCode: 0 });
  expect(run(join(folder, "mesh/images/probe.js"), "http://127.0.0.1:1/").exitCode).toBe(1);
});

test("a service loads, and says what it needs", () => {
  const { exitCode, said } = run(entry, "serve", "state");
  expect(exitCode).toBe(1);
  expect(said).toContain("serve state needs:");
});

test("what code opens by its place is there; only what `up` starts as a child is not", () => {
  const nested = /new URL\("([^"]+)", new URL\("([^"]+)", import\.meta\.url\)\.href\)/g;
  const text = readFileSync(entry, "utf8");
  const opened = [...text.matchAll(nested)].map(([, file = "", module = ""]) =>
    new URL(file, new URL(module, `file://${entry}`)).pathname.slice(folder.length + 1),
  );
  const children = ["benchmarks/replica/main.ts", "state/src/pglite/child.ts"];
  const wanted = ["docs", "gateway/src/console/", "orchestrator/agents", "state/src/migrations/"];
  expect(opened.sort()).toEqual([...children, ...wanted].sort());
  expect(wanted.filter((path) => !existsSync(join(folder, path)))).toEqual([]);
});

test("the console's script is built beforehand", () => {
  const script = readFileSync(join(folder, "gateway/src/console/main.js"), "utf8");
  expect(script.length).toBeGreaterThan(10_000);
  expect(script).not.toContain("import ");
});
