/** Faults that are planted while the real services run, in the order of the checks. */

import { canaryChecks } from "../checks/canary.ts";
import type { Stage } from "../checks/check.ts";
import { engineChecks } from "../checks/engines.ts";
import { identityChecks } from "../checks/identities.ts";
import { longStreamChecks, sigtermChecks } from "../checks/streams.ts";
import { plaintextChecks, taskChecks } from "../checks/tasks.ts";
import { startReplica, startService, untilReady } from "../run-services.ts";
import { others, replicas, services } from "../scene.ts";
import { configFault } from "./config.ts";
import type { Bench, Fault } from "./fault.ts";

const mutualTls = "mutual TLS between exact identities";
/** Of another namespace, and named nowhere. */
const stranger = "cluster.local/ns/elsewhere/sa/default";
/** Shorter than any stream of the checks. */
const shortTimeout = "3s";

const tasks: Bench<Stage> = {
  areTogether: false,
  checks: taskChecks,
  faults: [
    configFault({
      title: "the ingress does not know SubmitTask",
      reds: ["a task from outside runs"],
      object: "HTTPRoute/warmpath-gateway",
      told: others.ingress,
      change: ({ rules }) => {
        for (const rule of rules) {
          rule.matches = rule.matches?.filter(({ path }) => !path?.value.endsWith("/SubmitTask"));
        }
      },
    }),
    configFault({
      title: "the ingress does not know ListAgents of native gRPC",
      reds: ["native gRPC"],
      object: "GRPCRoute/warmpath-gateway-grpc",
      told: others.ingress,
      change: ({ rules }) => {
        for (const rule of rules) {
          rule.matches = rule.matches?.filter(({ method }) => method?.method !== "ListAgents");
        }
      },
    }),
  ],
};

const plaintext: Bench<Stage> = {
  areTogether: true,
  checks: plaintextChecks,
  faults: Object.values(services).map(({ pod }) =>
    configFault({
      title: `mutual TLS is not STRICT for ${pod}`,
      reds: [`plain text to ${pod}`],
      object: "PeerAuthentication/warmpath-strict",
      told: pod,
      more: [
        {
          apiVersion: "security.istio.io/v1",
          kind: "PeerAuthentication",
          metadata: { name: `planted-${pod}` },
          spec: { selector: selectorOf(pod), mtls: { mode: "PERMISSIVE" } },
        },
      ],
    }),
  ),
};

function selectorOf(pod: string) {
  return { matchLabels: { "app.kubernetes.io/name": pod } };
}

function principalTooMany(pod: string): Fault<Stage> {
  return configFault({
    title: `the policy of ${pod} has a principal too many`,
    reds: [`${pod} lets in`],
    object: `AuthorizationPolicy/warmpath-${pod}`,
    told: pod,
    change: ({ rules: [rule] }) => {
      rule?.from?.[0]?.source.principals.push(stranger);
    },
  });
}

const identities: Bench<Stage> = {
  areTogether: true,
  checks: identityChecks,
  faults: [
    ...[services.state, services.proxy, services.gateway].map(({ pod }) => principalTooMany(pod)),
    // Nobody calls it, so it has no policy of its own.
    configFault({
      title: "somebody may call orchestrator, whom nobody calls",
      reds: ["orchestrator lets in"],
      object: "AuthorizationPolicy/warmpath-allow-nothing",
      told: services.orchestrator.pod,
      change: (spec) => {
        spec.selector = selectorOf(services.orchestrator.pod);
        spec.rules = [{ from: [{ source: { principals: [stranger] } }] }];
      },
    }),
  ],
};

const canary: Bench<Stage> = {
  areTogether: false,
  checks: canaryChecks,
  faults: [
    configFault({
      title: "the canary's weight is turned round",
      reds: ["a canary of"],
      object: "VirtualService/warmpath-state",
      told: services.gateway.pod,
      change: ({ http }) => {
        for (const { route } of http) {
          for (const each of route) {
            each.weight = 100 - (each.weight ?? 0);
          }
        }
      },
    }),
  ],
};

const longStreams: Bench<Stage> = {
  areTogether: true,
  checks: longStreamChecks,
  faults: [
    configFault({
      title: `the ingress ends chat completions after ${shortTimeout}`,
      reds: ["from outside outlives"],
      object: "HTTPRoute/warmpath-inference-proxy",
      told: others.ingress,
      change: ({ rules }) => {
        for (const rule of rules) {
          rule.timeouts = { request: shortTimeout };
        }
      },
    }),
    configFault({
      title: `the route of Generate ends it after ${shortTimeout}`,
      reds: ["between services outlives"],
      object: "VirtualService/warmpath-inference-proxy",
      told: services.orchestrator.pod,
      change: ({ http }) => {
        for (const route of http) {
          route.timeout = shortTimeout;
        }
      },
    }),
  ],
};

const sigterm: Bench<Stage> = {
  areTogether: false,
  checks: sigtermChecks,
  faults: [
    {
      title: "services end at once, without draining or handing over",
      reds: ["SIGTERM of inference-proxy", "SIGTERM of gateway", "SIGTERM of orchestrator"],
      plant: async (stage) => ({
        stage: { ...stage, end: "SIGKILL" },
        mend: async () => undefined,
      }),
    },
  ],
};

/** The proxy as the chart has it, but for these variables. */
async function restartProxy({ rig, cast }: Stage, env: Record<string, string>): Promise<void> {
  const { pod, http } = services.proxy;
  await cast.get(pod)?.stop(10_000);
  cast.set(pod, startService(rig, { pod, deployment: `warmpath-${pod}`, env }));
  await untilReady(rig, pod, http, "/ready");
}

/** A fault of the proxy, which starts again with these variables; all engines run by then. */
function proxyFault(title: string, reds: readonly string[], env: Record<string, string>) {
  return {
    title,
    reds,
    plant: async (stage: Stage) => {
      // The check of a sick engine ends it.
      for (const pod of replicas.filter((each) => stage.cast.get(each)?.isRunning() !== true)) {
        stage.cast.set(pod, startReplica(stage.rig, pod));
        await untilReady(stage.rig, pod, 8000, "/health");
      }
      await restartProxy(stage, env);
      return { stage, mend: () => restartProxy(stage, {}) };
    },
  };
}

const busyEngines: Bench<Stage> = {
  areTogether: false,
  checks: engineChecks.filter(({ title }) => title.includes("busy")),
  faults: [
    proxyFault("the proxy tries no other engine", ["(429)", "(503)"], {
      WARMPATH_PROXY_RETRY_PERCENT: "0",
      WARMPATH_PROXY_RETRY_RESERVE: "0",
    }),
  ],
};

const sickEngine: Bench<Stage> = {
  areTogether: false,
  checks: engineChecks.filter(({ title }) => title.includes("sick")),
  faults: [
    proxyFault("the proxy knows no other engine", ["a sick engine"], {
      WARMPATH_UPSTREAM: `http://${replicas[1]}.engines.svc.cluster.local:8000`,
      // Nobody waits for an engine that does not come.
      WARMPATH_PROXY_QUEUE_WAIT_MS_MAX: "1000",
    }),
  ],
};

/** Last: while state hears nobody, nothing else can be shown. */
const wires: Bench<Stage> = {
  areTogether: false,
  checks: taskChecks.filter(({ title }) => title.includes(mutualTls)),
  faults: [
    configFault({
      title: "gateway's Envoy speaks plain text to state",
      reds: [mutualTls],
      object: "DestinationRule/warmpath-state",
      told: services.gateway.pod,
      change: ({ trafficPolicy }) => {
        trafficPolicy.tls.mode = "DISABLE";
      },
    }),
  ],
};

/** With the services at work. */
export const serviceBenches: readonly Bench<Stage>[] = [
  tasks,
  plaintext,
  identities,
  canary,
  longStreams,
  sigterm,
  busyEngines,
  sickEngine,
  wires,
];
