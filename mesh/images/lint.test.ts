// Goal: the images are what the deployment relies on, checked where there is no builder; the level
// `images` of the proofs builds and starts them.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { faultsOf, stagesOf } from "./lint.ts";

const root = join(import.meta.dir, "../..");
const text = readFileSync(join(import.meta.dir, "Dockerfile"), "utf8");
const ignore = readFileSync(join(root, ".dockerignore"), "utf8");
const images = ["nats", "warmpath"];

test("the Dockerfile keeps every rule", () => {
  expect(faultsOf(text, images)).toEqual([]);
  // A build without a target makes the last stage.
  expect(stagesOf(text).at(-1)?.name).toBe("warmpath");
});

test("each planted fault is found", () => {
  const planted: readonly [from: string | RegExp, to: string, fault: string][] = [
    [
      /(FROM \$\{BASE_IMAGE\} AS warmpath[\s\S]*)USER 65532:65532/,
      "$1USER 0:0",
      "warmpath does not say which user",
    ],
    [/USER 65532:65532/g, "USER nonroot", "warmpath does not say which user"],
    [
      'ENTRYPOINT ["bun", "scripts/warmpath.js"]',
      "ENTRYPOINT bun scripts/warmpath.js",
      "no ENTRYPOINT in exec form",
    ],
    ["oven/bun:1.4.5-distroless", "oven/bun:latest", "stands on oven/bun:latest"],
    ["oven/bun:1.4.5-distroless", "oven/bun", "stands on oven/bun,"],
    ["COPY --from=build /bundle ./", "COPY . .", "copies . . past the build"],
    ["COPY --from=build /bundle ./", "ADD https://example.com/x ./", "adds https"],
    ['CMD ["--help"]\n\n#', 'CMD ["--help"]\nRUN mkdir /x\n\n#', "nats runs mkdir /x"],
    [
      /(AS warmpath[\s\S]*)STOPSIGNAL SIGTERM/,
      "$1STOPSIGNAL SIGKILL",
      "warmpath is not stopped by SIGTERM",
    ],
    ["ENV NODE_ENV=production", "ENV WARMPATH_DEV_KEY=wp_x NODE_ENV=production", "holds a secret"],
    ["AS warmpath", "AS warm", "warmpath is not there"],
  ];
  for (const [from, to, fault] of planted) {
    const changed = text.replace(from, to);
    expect([fault, changed === text]).toEqual([fault, false]);
    expect(faultsOf(changed, images).join("\n")).toContain(fault);
  }
});

test("the base's Bun is the one that the packages name", () => {
  // Our own file.
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    dependencies: { bun: string };
  };
  expect(stagesOf(text).at(-1)?.base).toBe(`oven/bun:${dependencies.bun}-distroless`);
});

test("the version in the label is the package's", () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    version: string;
  };
  expect(text).toContain(`org.opencontainers.image.version="${version}"`);
});

test("what is copied into the build is let in, and exists", () => {
  const lines = ignore.split("\n");
  expect(lines.find((line) => line !== "" && !line.startsWith("#"))).toBe("*");
  const build = stagesOf(text).find(({ name }) => name === "build");
  const copied = build?.instructions.flatMap(({ word, rest }) =>
    word === "COPY" && rest !== ". ." ? rest.split(/\s+/).slice(0, -1) : [],
  );
  for (const path of copied ?? []) {
    expect([path, existsSync(join(root, path))]).toEqual([path, true]);
    const top = path.split("/")[0] ?? path;
    expect([path, lines.includes(`!${path}`) || lines.includes(`!${top}`)]).toEqual([path, true]);
  }
});

test("neither secrets nor packages of the host get into a build", () => {
  const lines = ignore.split("\n");
  expect(lines).toContain("**/node_modules");
  expect(lines.indexOf("mesh/*")).toBeGreaterThan(lines.indexOf("!mesh"));
  const open = lines.filter((line) =>
    /^!(mesh\/compose|\.env|\.git(\/|$)|mesh\/proofs)/.test(line),
  );
  expect(open).toEqual([]);
});
