// Goal: no limit, request or other number that an operator may change stands without its reason, on its line or on the
// one above it; and where a reason is a sum, the sum is right.

import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { chartDir } from "./helm.ts";

/** A key with a number, or with what a template puts there: `memory: 8Gi`, `cpu: "4"`. */
const numbered = /(?<=^|[\s{])([\w-]+):\s+["']?(?:\d[\d.]*[a-zA-Z]{0,2}["']?(?=[\s,}]|$)|\{\{)/gm;

/** What the thing itself decides: a port is where a server listens. */
const withoutReason = new Set(["port"]);

/** Keys that bound a container, in the words of Kubernetes and of Compose. */
const bounds = new Set([
  ...["limits", "requests", "cpu", "memory", "ephemeral-storage", "sizeLimit", "storage"],
  ...["mem_limit", "shm_size", "cpus", "pids_limit", "start_interval", "retries"],
  ...["failureThreshold", "revisionHistoryLimit"],
]);

/** Lines of a text whose numbers have no comment: those of `keys`, or all but what needs none. */
function bare(name: string, text: string, keys?: ReadonlySet<string>): readonly string[] {
  const lines = text.split("\n");
  return lines.flatMap((line, at) => {
    const isComment = /^\s*(#|\{\{-? ?\/\*)/.test(line);
    if (isComment || / # \S/.test(line) || /^\s*#/.test(lines[at - 1] ?? "")) {
      return [];
    }
    const found = [...line.matchAll(numbered)].map(([, key]) => key ?? "");
    const wanting = found.filter((key) => (keys ? keys.has(key) : !withoutReason.has(key)));
    return wanting.length > 0 ? [`${name}:${at + 1}: ${line.trim()}`] : [];
  });
}

function bareOf(path: string, keys?: ReadonlySet<string>): readonly string[] {
  return bare(relative(chartDir, path), readFileSync(path, "utf8"), keys);
}

function filesIn(folder: string, pattern: RegExp): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name));
}

const valueFiles = filesIn(chartDir, /^values.*\.yaml$/);

for (const path of valueFiles) {
  test(`every number of ${relative(chartDir, path)} has its reason`, () => {
    expect(bareOf(path)).toEqual([]);
  });
}

test("every bound of a container has its reason, in templates, Compose and examples", () => {
  const others = [
    ...filesIn(join(chartDir, "templates"), /\.yaml$/),
    join(import.meta.dir, "compose/compose.yaml"),
    ...filesIn(join(import.meta.dir, "stores"), /\.yaml$/),
    ...filesIn(join(import.meta.dir, "scheduler"), /\.yaml$/),
  ];
  expect(others.flatMap((path) => bareOf(path, bounds))).toEqual([]);
});

test("a sum beside a number comes to what it says", () => {
  const sums = valueFiles.flatMap((path) =>
    [
      ...readFileSync(path, "utf8").matchAll(/#.*?((?:[\d.,]+ [x+] )+[\d.,]*\d) = ([\d.,]*\d)/g),
    ].map(([, sum = "", result = ""]) => [relative(chartDir, path), sum, result] as const),
  );
  expect(sums.length).toBeGreaterThan(10);
  for (const [file, sum, result] of sums) {
    const total = sum
      .split(" + ")
      .map((product) => product.split(" x ").map(numberOf))
      .reduce((all, factors) => all + factors.reduce((left, right) => left * right), 0);
    expect([file, sum, Math.abs(total - numberOf(result)) < 0.05]).toEqual([file, sum, true]);
  }
});

interface EngineClass {
  readonly name: string;
  readonly gpus: number;
  readonly shmGiB: number;
  readonly model: { readonly weightsGiB: number };
  readonly cache: { readonly sizeGiB: number };
  readonly resources: {
    readonly requests: { readonly memory: string };
    readonly limits: { readonly memory: string };
  };
}

test("memory and disk of each class of engines are what values-multi-gpu.yaml says they are counted from", () => {
  // The schema of the chart refuses another shape.
  const { vllm } = Bun.YAML.parse(
    readFileSync(join(chartDir, "values-multi-gpu.yaml"), "utf8"),
  ) as {
    vllm: { classes: readonly EngineClass[] };
  };
  for (const { name, gpus, shmGiB, model, cache, resources } of vllm.classes) {
    const request = Math.ceil(4 + 2 * (gpus - 1) + model.weightsGiB + shmGiB);
    expect([name, resources.requests.memory, resources.limits.memory, cache.sizeGiB]).toEqual([
      name,
      `${request}Gi`,
      `${Math.ceil(1.25 * request)}Gi`,
      10 * Math.ceil((2 * model.weightsGiB + 5) / 10),
    ]);
  }
});

test("a number without a reason is found, however it is written", () => {
  const text = readFileSync(join(chartDir, "values.yaml"), "utf8");
  const found = bare("values.yaml", text.replaceAll(/(^|\s)#.*$/gm, "")).join("\n");
  for (const line of ["drainSeconds: 120", "limits: { memory: 1Gi }", "requests: { cpu: 250m"]) {
    expect(found).toContain(line);
  }
  expect(bare("x", 'cpu: "4"\nport: 80\n# Why.\nmemory: 1Gi\nreplicas: 2')).toEqual([
    'x:1: cpu: "4"',
    "x:5: replicas: 2",
  ]);
});

function numberOf(text: string): number {
  return Number(text.replaceAll(",", ""));
}
