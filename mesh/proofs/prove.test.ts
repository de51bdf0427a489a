// Goal: a level that shows nothing is not green, one that cannot run says why, and one that is
// stopped leaves nothing.

import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { goFault } from "./go.ts";
import { prove } from "./prove.ts";
import type { ProofResult, ProofStep } from "./step.ts";

function level(run: () => Promise<ProofResult>, lacks?: string): ProofStep {
  return { name: "any", proves: "anything", missing: () => lacks, run };
}

test("a level that passed is green", async () => {
  const outcome = await prove(level(async () => ({ passed: 2, failures: [] })));
  expect(outcome).toMatchObject({ state: "passed", passed: 2, failures: [] });
});

test("a level that passed nothing and failed nothing is red", async () => {
  const outcome = await prove(level(async () => ({ passed: 0, failures: [] })));
  expect(outcome).toMatchObject({ state: "failed", failures: ["nothing was looked at"] });
});

test("what is thrown, such as a build that fails, is red and not a level that was not run", async () => {
  const outcome = await prove(level(() => Promise.reject(new Error("it does not build"))));
  expect(outcome).toMatchObject({ state: "failed", failures: ["it does not build"] });
});

test("a level that lacks something is not run, and says what", async () => {
  const outcome = await prove(level(() => Promise.reject(new Error("was run")), "no helm"));
  expect(outcome).toMatchObject({ state: "not run", reason: "no helm", failures: [] });
});

const proofs = join(import.meta.dir, "prove.ts");

for (const args of [["--jsn"], ["rendr"], ["--json=1"]]) {
  test(`${args.join()} is told in words, with the help, and the status is 2`, () => {
    const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, proofs, ...args]);
    expect({ exitCode, stdout: stdout.toString() }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr.toString()).toMatch(/^.*(--jsn|rendr|--json).*\n/);
    expect(stderr.toString()).toContain("npm run mesh:prove");
    expect(stderr.toString()).not.toContain("prove.ts:");
  });
}

test("who stops the proofs finds no temporary folder of theirs", async () => {
  const program = `
    import { endOnSignals } from ${JSON.stringify(join(import.meta.dir, "end-on-signals.ts"))};
    import { inTemporaryFolder } from ${JSON.stringify(join(import.meta.dir, "temporary-folder.ts"))};
    endOnSignals();
    await inTemporaryFolder("stopped", async (folder) => {
      console.log(folder);
      await Bun.sleep(60_000);
    });`;
  const child = Bun.spawn([process.execPath, "--eval", program], { stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  const folder = new TextDecoder().decode(value).trim();
  expect(existsSync(folder)).toBe(true);
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  expect(existsSync(folder)).toBe(false);
});

test("a Go that is too old, or says nothing, is told of", () => {
  expect(["go1.26.0", "go1.27rc1", "go2.0"].map(goFault)).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(goFault("go1.19.8")).toMatch(/^Go is go1\.19\.8, and 1\.26 or newer is needed/);
  expect(goFault("")).toMatch(/too old/);
});
