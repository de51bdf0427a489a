// Goal: the queries of the autoscalers say what they are meant to, by Prometheus's own evaluation: sums over all
// pods of the right class, the queue once however many tell it, 0 where engines idle and nothing where none is seen.
// Skipped, with the reason printed, where there is no helm or no promtool.

import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chartDir, findHelm, renderChart } from "./helm.ts";

interface Scaled {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly triggers: readonly { readonly metadata: { readonly query?: string } }[];
  };
}

interface Case {
  readonly about: string;
  readonly object: string;
  /** Which of its triggers that have a query. */
  readonly at: number;
  readonly series: Readonly<Record<string, string>>;
  /** Undefined: no data, which KEDA takes for a failure. */
  readonly value: number | undefined;
}

const promtool = Bun.which("promtool");
const canRun = findHelm() !== undefined && promtool !== null;
if (!canRun) {
  process.stdout.write(
    "skipped: autoscaling-queries.test.ts needs helm, and promtool (Debian: prometheus)\n",
  );
}

const engine = (name: string, pod: string) =>
  `${name}{namespace="warmpath",pod="${pod}",engine="0",model_name="qwen-7b"}`;
const bucket = (pod: string, le: string) =>
  `vllm:time_to_first_token_seconds_bucket{namespace="warmpath",pod="${pod}",le="${le}"}`;
const first = "warmpath-vllm-l4-7d9f8c6b5d-x2x9k";
const second = "warmpath-vllm-l4-7d9f8c6b5d-q8qzr";
const other = "warmpath-vllm-l4-spot-7d9f8c6b5d-x2x9k";

const cases: readonly Case[] = [
  {
    about: "what waits in all engines of the class, and in no other's",
    object: "warmpath-vllm-l4",
    at: 0,
    series: {
      [engine("vllm:num_requests_waiting", first)]: "3x20",
      [engine("vllm:num_requests_waiting", second)]: "4x20",
      [engine("vllm:num_requests_waiting", other)]: "100x20",
    },
    value: 7,
  },
  {
    about: "tokens a second of all engines, though one was restarted",
    object: "warmpath-vllm-l4",
    at: 1,
    series: {
      [engine("vllm:generation_tokens_total", first)]: "0+1500x20",
      [engine("vllm:generation_tokens_total", second)]: "90000+1500x20",
    },
    value: 200,
  },
  {
    about: "p95 of the time to the first token",
    object: "warmpath-vllm-l4",
    at: 2,
    series: {
      [bucket(first, "0.5")]: "0x20",
      [bucket(first, "1.0")]: "0+15x20",
      [bucket(first, "+Inf")]: "0+15x20",
      [engine("vllm:num_requests_running", first)]: "2x20",
    },
    // All lie between 0.5 and 1 s: 0.5 + 0.95 x 0.5.
    value: 0.975,
  },
  {
    about: "no time to a first token where engines idle",
    object: "warmpath-vllm-l4",
    at: 2,
    series: {
      [bucket(first, "0.5")]: "7x20",
      [bucket(first, "+Inf")]: "7x20",
      [engine("vllm:num_requests_running", first)]: "0x20",
    },
    value: 0,
  },
  {
    about: "nothing at all where no engine is seen",
    object: "warmpath-vllm-l4",
    at: 2,
    series: { [engine("vllm:num_requests_running", other)]: "0x20" },
    value: undefined,
  },
  {
    about: "the queue once, though two pods tell of it",
    object: "warmpath-orchestrator",
    at: 0,
    series: Object.fromEntries(
      ["a", "b"].flatMap((pod) => [
        [
          `warmpath_state_queue_depth{namespace="warmpath",pod="${pod}",lane="interactive"}`,
          "4x20",
        ],
        [`warmpath_state_queue_depth{namespace="warmpath",pod="${pod}",lane="batch"}`, "2x20"],
      ]),
    ),
    value: 6,
  },
  {
    about: "runs of all workers of this release's namespace",
    object: "warmpath-orchestrator",
    at: 1,
    series: {
      'warmpath_orchestrator_runs_active{namespace="warmpath",pod="a"}': "100x20",
      'warmpath_orchestrator_runs_active{namespace="warmpath",pod="b"}': "30x20",
      'warmpath_orchestrator_runs_active{namespace="staging",pod="a"}': "500x20",
    },
    value: 130,
  },
  {
    about: "streams through all proxies to all replicas",
    object: "warmpath-inference-proxy",
    at: 0,
    series: {
      'warmpath_inference_proxy_replica_in_flight{namespace="warmpath",pod="a",replica="x"}':
        "9x20",
      'warmpath_inference_proxy_replica_in_flight{namespace="warmpath",pod="a",replica="y"}':
        "1x20",
      'warmpath_inference_proxy_replica_in_flight{namespace="warmpath",pod="b",replica="x"}':
        "5x20",
    },
    value: 15,
  },
];

function scaledObjects(): readonly Scaled[] {
  const file = join(chartDir, "values-multi-gpu.yaml");
  const { stdout, stderr } = renderChart(["-n", "warmpath", "-f", file]) ?? {};
  expect(stderr).toBe("");
  // Whatever helm printed; only objects of this kind are looked into.
  return (Bun.YAML.parse(stdout ?? "") as (Scaled | null)[]).filter(
    (each) => each?.kind === "ScaledObject",
  ) as Scaled[];
}

/** Each case as promtool's unit tests have it, evaluated after four minutes of samples. */
function unitTests(): object {
  const objects = scaledObjects();
  const queryAt = (name: string, at: number) =>
    objects
      .find(({ metadata }) => metadata.name === name)
      ?.spec.triggers.flatMap(({ metadata }) => metadata.query ?? [])[at];
  const tests = cases.map(({ about, object, at, series, value }) => ({
    name: about,
    interval: "15s",
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [
      {
        expr: queryAt(object, at),
        eval_time: "4m",
        exp_samples: value === undefined ? [] : [{ labels: "{}", value }],
      },
    ],
  }));
  return { evaluation_interval: "15s", tests };
}

test.skipIf(!canRun)(
  "Prometheus evaluates each autoscaler's query to the number meant",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "warmpath-queries-"));
    try {
      const file = join(folder, "queries.json");
      // JSON is YAML.
      writeFileSync(file, JSON.stringify(unitTests()));
      const { exitCode, stdout, stderr } = Bun.spawnSync([promtool ?? "", "test", "rules", file]);
      expect({ exitCode, said: `${stdout}${stderr}`.trim() }).toMatchObject({
        exitCode: 0,
        said: expect.stringContaining("SUCCESS"),
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  30_000,
);
