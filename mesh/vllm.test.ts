// Goal: each class of GPU becomes one Deployment whose every number follows from what is known of GPU and
// model. What cannot work is refused: proofs/render/invalid/engine-*.yaml. Skipped, with the reason printed, where
// there is no helm. No GPU is needed, and none was used.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chartDir, findHelm, helmMissing, renderChart } from "./helm.ts";

interface Manifest {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: Deployment;
  readonly data?: Readonly<Record<string, string>>;
}

interface Deployment {
  readonly replicas?: number;
  readonly clusterIP?: string;
  readonly progressDeadlineSeconds: number;
  readonly strategy: { readonly rollingUpdate: Readonly<Record<string, number>> };
  readonly ports: readonly Readonly<Record<string, string | number>>[];
  readonly template: { readonly spec: Pod };
}

interface Pod {
  readonly schedulerName?: string;
  readonly priorityClassName: string;
  readonly terminationGracePeriodSeconds: number;
  readonly tolerations: readonly Readonly<Record<string, string>>[];
  readonly affinity: unknown;
  readonly containers: readonly Container[];
  readonly volumes: readonly Readonly<Record<string, unknown>>[];
}

interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly lifecycle: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
  readonly resources: { readonly limits: Readonly<Record<string, string | number>> };
  readonly startupProbe: Probe;
  readonly readinessProbe: Probe;
  readonly securityContext: unknown;
  readonly env: readonly { readonly name: string; readonly value: string }[];
}

interface Probe {
  readonly exec: { readonly command: readonly string[] };
  readonly periodSeconds: number;
  readonly failureThreshold: number;
}

const hasHelm = findHelm() !== undefined;
if (!hasHelm) {
  process.stdout.write(`skipped: vllm.test.ts. ${helmMissing}\n`);
}
const helmTest = test.skipIf(!hasHelm);
const values = ["-n", "warmpath", "-f", join(chartDir, "values-multi-gpu.yaml")];
const classNames = ["t4", "l4", "a100-slice", "h100", "h200"];

function render(...args: string[]): readonly Manifest[] {
  const { stdout, stderr, exitCode } = renderChart([...values, ...args]) ?? {};
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  // Whatever helm printed; the assertions below look at each field that matters.
  return (Bun.YAML.parse(stdout ?? "") as (Manifest | null)[]).filter((each) => each !== null);
}

function find(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = manifests.find((each) => each.kind === kind && each.metadata.name === name);
  if (found === undefined) {
    throw new Error(`there is no ${kind} ${name}`);
  }
  return found;
}

function engineOf(manifests: readonly Manifest[], name: string) {
  const { spec, metadata } = find(manifests, "Deployment", `warmpath-vllm-${name}`);
  const pod = spec.template.spec;
  const [container] = pod.containers;
  if (container === undefined) {
    throw new Error(`${name} has no container`);
  }
  return { spec, pod, container, sizing: metadata.annotations?.["warmpath/sizing"] ?? "" };
}

/** Value of a flag of vllm serve. */
function flag({ args }: Container, name: string): string | undefined {
  return args.find((each) => each.startsWith(`--${name}=`))?.slice(name.length + 3);
}

helmTest(
  "each class has a Deployment, a headless Service with its events' ports, and a budget",
  () => {
    const manifests = render();
    for (const name of classNames) {
      const service = find(manifests, "Service", `warmpath-vllm-${name}`);
      expect(service.spec.clusterIP).toBe("None");
      expect(service.spec.ports.map(({ name: port, appProtocol }) => [port, appProtocol])).toEqual([
        ["http", "http"],
        ["tcp-kv-events", "tcp"],
        ["tcp-kv-replay", "tcp"],
      ]);
      expect(find(manifests, "PodDisruptionBudget", `warmpath-vllm-${name}`)).toBeDefined();
    }
  },
);

helmTest("the proxy is told to look up the pods of each class", () => {
  const proxy = find(render(), "Deployment", "warmpath-inference-proxy");
  const given = proxy.spec.template.spec.containers[0]?.env.find(
    ({ name }) => name === "WARMPATH_UPSTREAM",
  );
  expect(given?.value.split(",")).toEqual(
    classNames.map((name) => `dns://warmpath-vllm-${name}.warmpath.svc:8000`),
  );
});

helmTest(
  "the proxy is told which models must have a replica, unless somebody says it himself",
  () => {
    const wanted = (...extra: readonly string[]) =>
      find(
        render(...extra),
        "Deployment",
        "warmpath-inference-proxy",
      ).spec.template.spec.containers[0]?.env.filter(
        ({ name }) => name === "WARMPATH_MODELS_WANTED",
      );
    const served = render()
      .filter(({ kind, metadata }) => kind === "Deployment" && metadata.name.includes("-vllm-"))
      .flatMap(({ spec }) => spec.template.spec.containers[0]?.args ?? [])
      .flatMap((arg: string) => arg.split("--served-model-name=")[1] ?? []);
    expect(served.length).toBeGreaterThan(0);
    expect(wanted()?.map(({ value }) => value.split(","))).toEqual([[...new Set(served)]]);
    const own = "services.inference-proxy.env.WARMPATH_MODELS_WANTED=other";
    expect(wanted("--set", own)?.map(({ value }) => value)).toEqual(["other"]);
  },
);

helmTest(
  "pods land on their GPUs: taint, product, resource, priority and the packing scheduler",
  () => {
    const manifests = render();
    const { pod, container } = engineOf(manifests, "h100");
    expect(pod).toMatchObject({
      schedulerName: "warmpath-packing",
      priorityClassName: "warmpath-interactive",
      tolerations: [{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }],
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [
              {
                matchExpressions: [
                  {
                    key: "nvidia.com/gpu.product",
                    operator: "In",
                    values: ["NVIDIA-H100-80GB-HBM3"],
                  },
                ],
              },
            ],
          },
        },
      },
    });
    expect(container.resources.limits["nvidia.com/gpu"]).toBe(2);
    const slice = engineOf(manifests, "a100-slice").container.resources.limits;
    expect(slice["nvidia.com/mig-3g.40gb"]).toBe(1);
    expect(slice["nvidia.com/gpu"]).toBeUndefined();
  },
);

helmTest("the packing profile scores full nodes highest, GPUs before all", () => {
  const map = find(render(), "ConfigMap", "warmpath-scheduler");
  expect(Bun.YAML.parse(map.data?.["scheduler-config.yaml"] ?? "")).toMatchObject({
    kind: "KubeSchedulerConfiguration",
    profiles: [
      {
        schedulerName: "warmpath-packing",
        pluginConfig: [
          {
            name: "NodeResourcesFit",
            args: {
              scoringStrategy: {
                type: "MostAllocated",
                resources: [{ name: "nvidia.com/gpu", weight: 10 }, {}, {}],
              },
            },
          },
        ],
      },
    ],
  });
});

helmTest(
  "the second scheduler of the example runs the chart's profile, under the name that engines use",
  () => {
    const text = readFileSync(join(import.meta.dir, "scheduler/second-scheduler.yaml"), "utf8");
    const objects = Bun.YAML.parse(text) as readonly Manifest[];
    const { spec } = find(objects, "Deployment", "warmpath-packing");
    expect(spec.template.spec.volumes).toEqual([
      { name: "config", configMap: { name: "warmpath-scheduler" } },
    ]);
    const manifests = render();
    const map = find(manifests, "ConfigMap", "warmpath-scheduler");
    expect(Object.keys(map.data ?? {})).toEqual(["scheduler-config.yaml"]);
    const profile = Bun.YAML.parse(map.data?.["scheduler-config.yaml"] ?? "");
    const lease = { resourceNamespace: "warmpath", resourceName: "warmpath-packing" };
    expect(profile).toMatchObject({ leaderElection: lease });
    expect(text).toContain(`resourceNames: [${lease.resourceName}]`);
    expect(engineOf(manifests, "l4").pod.schedulerName).toBe("warmpath-packing");
  },
);

helmTest("flags follow from memory, and the arithmetic is said where the pod is looked at", () => {
  // By hand: 2 x 79.6 x 0.92 - 61 - 2 x 4 = 77.464 GiB; 2 x 64 x 8 x 128 x 2 = 262,144 bytes a token.
  const { container, sizing } = engineOf(render(), "h100");
  const tokens = Math.floor((77.464 * 2 ** 30) / 262_144);
  expect(sizing).toContain(`= ${tokens} tokens`);
  expect(flag(container, "max-num-seqs")).toBe(String(Math.floor(tokens / 6000)));
  expect(flag(container, "max-model-len")).toBe("32768");
  expect(flag(container, "tensor-parallel-size")).toBe("2");
  expect(flag(container, "gpu-memory-utilization")).toBe("0.920");
});

helmTest("a KV head is not divided: more GPUs than heads hold it more than once", () => {
  const l4 = "vllm.classes[1]";
  const { sizing } = engineOf(render("--set", `${l4}.gpus=8`), "l4");
  // By hand: 8 x 22.5 x 0.92 - 14.2 - 8 x 2 = 135.4 GiB; 2 x 28 x 8 (not 4) x 128 x 2 = 114,688 bytes a token.
  expect(sizing).toContain(`= ${Math.floor((135.4 * 2 ** 30) / 114_688)} tokens`);
});

helmTest("a cache that is counted in single bytes is one", () => {
  expect(flag(engineOf(render(), "l4").container, "kv-cache-dtype")).toBeUndefined();
  const { container, sizing } = engineOf(render("--set", "vllm.classes[1].model.kvBytes=1"), "l4");
  expect(flag(container, "kv-cache-dtype")).toBe("fp8");
  expect(sizing).toContain("/ 28672 bytes a token");
});

helmTest("engines cache prefixes, tell of it, and guess ahead where that is asked for", () => {
  const manifests = render();
  const { container } = engineOf(manifests, "t4");
  expect(container.args).toContain("--enable-prefix-caching");
  expect(container.args).toContain("--enable-prompt-tokens-details");
  expect(JSON.parse(flag(container, "kv-events-config") ?? "")).toEqual({
    enable_kv_cache_events: true,
    publisher: "zmq",
    endpoint: "tcp://*:5557",
    replay_endpoint: "tcp://*:5558",
    topic: "kv@qwen-7b",
  });
  expect(JSON.parse(flag(container, "speculative-config") ?? "")).toEqual({
    method: "ngram",
    num_speculative_tokens: 4,
    prompt_lookup_max: 4,
  });
  expect(flag(engineOf(manifests, "l4").container, "speculative-config")).toBeUndefined();
});

helmTest(
  "an engine reads a model's calls of tools as its class says, or agents could call none",
  () => {
    const { args } = engineOf(render(), "h100").container;
    expect(args).toContain("--enable-auto-tool-choice");
    expect(args).toContain("--tool-call-parser=hermes");
    const without = engineOf(render("--set", "vllm.classes[1].model.toolParser="), "l4").container;
    expect(without.args).not.toContain("--enable-auto-tool-choice");
    const more = engineOf(render("--set", "vllm.classes[1].args={--async-scheduling}"), "l4");
    expect(more.container.args.at(-1)).toBe("--async-scheduling");
  },
);

helmTest("a start may take twice as long as reading the weights and compiling take", () => {
  const manifests = render();
  for (const name of classNames) {
    const { container, pod, spec, sizing } = engineOf(manifests, name);
    const seconds = Number(/= (\d+) s$/.exec(sizing)?.[1]);
    const { periodSeconds, failureThreshold } = container.startupProbe;
    expect(periodSeconds * failureThreshold).toBeGreaterThanOrEqual(seconds);
    // A new pod first waits until the old one, in its time, has given its GPU up.
    expect(spec.progressDeadlineSeconds).toBeGreaterThan(
      pod.terminationGracePeriodSeconds + periodSeconds * failureThreshold,
    );
  }
});

helmTest("an engine is killed only after its streams had their time, whatever its version", () => {
  const measured = engineOf(render("--set", "drainSeconds=300"), "l4");
  expect(flag(measured.container, "shutdown-timeout")).toBe("300");
  expect(measured.container.lifecycle.preStop.sleep.seconds).toBe(15);
  expect(measured.pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(15 + 300 + 15);
  // An older one hangs up at the signal: what it has in flight ends before that.
  const older = engineOf(
    render("--set", "drainSeconds=300", "--set", "vllm.image.tag=v0.11.2"),
    "l4",
  );
  expect(flag(older.container, "shutdown-timeout")).toBeUndefined();
  expect(older.container.lifecycle.preStop.sleep.seconds).toBe(315);
  expect(older.pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(315 + 15);
  // vLLM has had tags with four numbers.
  const patched = engineOf(render("--set", "vllm.image.tag=v0.10.1.1"), "l4");
  expect(flag(patched.container, "shutdown-timeout")).toBeUndefined();
});

helmTest(
  "engines that share a GPU under MPS have a share each of its memory, and find it by its label",
  () => {
    const l4 = "vllm.classes[1]";
    const args = ["--set", `${l4}.mps=2`, "--set-json", `${l4}.model.weightsGiB=5.2`];
    const { pod, container, sizing } = engineOf(render(...args), "l4");
    // By hand: 22.5 / 2 x 0.92 - 5.2 - 2 = 3.15 GiB.
    expect(sizing).toContain(`= ${Math.floor((3.15 * 2 ** 30) / 57_344)} tokens`);
    expect(flag(container, "gpu-memory-utilization")).toBe("0.460");
    expect(container.resources.limits["nvidia.com/gpu"]).toBe(1);
    expect(JSON.stringify(pod.affinity)).toContain('["NVIDIA-L4","NVIDIA-L4-SHARED"]');
    expect(JSON.stringify(pod.affinity)).toContain("nvidia.com/gpu.sharing-strategy");
    // The device plugin mounts the daemon's /dev/shm; one of our own could hide it.
    expect(pod.volumes.map(({ name }) => name)).not.toContain("shm");
  },
);

helmTest("engines that tell nothing of their caches open no port for it", () => {
  const manifests = render("--set", "vllm.kvEvents.enabled=false");
  expect(flag(engineOf(manifests, "l4").container, "kv-events-config")).toBeUndefined();
  expect(find(manifests, "Service", "warmpath-vllm-l4").spec.ports).toHaveLength(1);
});

helmTest("engines run restricted, on a read-only root, with secrets that exist already", () => {
  const { pod, container } = engineOf(render("--set", "vllm.tokenSecret=hub"), "l4");
  expect(pod).toMatchObject({
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
  });
  expect(container.securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
  expect(pod.volumes.find(({ name }) => name === "token")).toMatchObject({
    secret: { secretName: "hub" },
  });
});

helmTest("without an autoscaler the replicas are ours, with one they are its", () => {
  expect(engineOf(render(), "l4").spec.replicas).toBeUndefined();
  const still = render("--set", "autoscaling.vllm.enabled=false,vllm.classes[1].replicas=3");
  expect(engineOf(still, "l4").spec.replicas).toBe(3);
  expect(engineOf(still, "t4").spec.replicas).toBe(1);
});

const python = Bun.which("python3");
if (python === null) {
  process.stdout.write("skipped: the probe of vllm.test.ts. There is no python3 on PATH.\n");
}

test.skipIf(!hasHelm || python === null)(
  "the probe succeeds when the served model is listed, and says so when it is not",
  async () => {
    const { readinessProbe } = engineOf(render(), "l4").container;
    const [, dashC = "", script = ""] = readinessProbe.exec.command;
    expect(readinessProbe.exec.command.slice(3)).toEqual(["8000", "qwen-7b"]);
    await using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: ({ url }) =>
        url.endsWith("/v1/models")
          ? Response.json({ data: [{ id: "qwen-7b" }, { id: "an-adapter" }] })
          : new Response(null, { status: 404 }),
    });
    const ask = async (port: number, model: string) => {
      const probe = Bun.spawn([python ?? "", dashC, script, String(port), model], {
        stdout: "ignore",
        stderr: "pipe",
      });
      return { said: await new Response(probe.stderr).text(), exitCode: await probe.exited };
    };
    const port = server.port ?? 0;
    expect(await ask(port, "qwen-7b")).toEqual({ said: "", exitCode: 0 });
    expect(await ask(port, "qwen-72b")).toMatchObject({
      said: expect.stringContaining("qwen-72b is not among"),
      exitCode: 1,
    });
    // Nobody listens yet: the weights are being loaded.
    expect((await ask(1, "qwen-7b")).exitCode).not.toBe(0);
  },
  // helm once and Python three times: a second, and half a minute on a machine that is busy.
  30_000,
);
