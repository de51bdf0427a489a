// Goal: one version of each tool, wherever it is written down. Needs no Go.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { kubernetesVersion } from "./binaries.ts";
import { definitionModules, stageModule } from "./module-files.ts";

const goMod = (name: string) =>
  readFileSync(join(import.meta.dir, "tools", name, "go.mod"), "utf8");

test("the version that the programs are stamped with is the one they are built from", () => {
  expect(goMod("kubernetes")).toContain(`k8s.io/kubernetes ${kubernetesVersion}`);
});

test("every library of Kubernetes is replaced by the one of the same release", () => {
  const library = kubernetesVersion.replace("v1.", "v0.");
  const replaced = [...goMod("kubernetes").matchAll(/^\t(\S+) => (\S+) (\S+)$/gm)];
  expect(replaced.length).toBe(33);
  for (const [line, from, to, version] of replaced) {
    expect({ line, to, version }).toEqual({ line, to: from, version: library });
  }
});

test("kwok's stages are those of the kwok that is built", () => {
  expect(goMod("kwok")).toContain(`${stageModule.path} ${stageModule.version}`);
});

test("every module has its checksum, of code in a go.sum, of files beside the version; none is vendored", () => {
  const proofs = join(import.meta.dir, "..");
  const modules = [...new Bun.Glob("**/go.mod").scanSync(proofs)].map(dirname);
  expect(modules.length).toBe(6);
  for (const module of modules) {
    expect([module, existsSync(join(proofs, module, "go.sum"))]).toEqual([module, true]);
    expect([module, existsSync(join(proofs, module, "vendor"))]).toEqual([module, false]);
  }
  for (const { path, sum } of [...definitionModules, stageModule]) {
    expect({ path, sum }).toEqual({ path, sum: expect.stringMatching(/^h1:[\w+/]{43}=$/) });
  }
});
