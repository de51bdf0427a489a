/** A task from outside to an engine and back: every hop is real and goes through Envoys. */
import type { GrpcAnswer, HttpAnswer, Order, TaskAnswer } from "../agent-protocol.ts";
import type { Rig } from "../rig.ts";
import { devKey, others, outsideGrpcUrl, outsideUrl, services } from "../scene.ts";
import { type Check, unless } from "./check.ts";

/** Two tool calls, one after the other, and an answer that holds the first one's result. */
const text = "What is 12345 * 678? Then look up in the docs how leases are fenced.";
const product = "8369910";

/** A task from outside. */
export function taskOrder(rig: Rig): Order {
  return { op: "task", url: outsideUrl(rig), key: devKey, text, timeoutMs: 60_000 };
}

/** What is wrong with a task's life. */
export function taskFaults({ kinds, answer, faults }: TaskAnswer): readonly string[] {
  return [
    ...faults,
    ...unless(kinds.at(-1) === "completed", `the task's events end with ${kinds.at(-1)}`),
    ...unless(answer.includes(product), `the answer lacks ${product}: ${answer.slice(0, 200)}`),
  ];
}

export const taskChecks: readonly Check[] = [
  {
    title: "a task from outside runs end to end, through the ingress and sidecars",
    run: async ({ rig }) => {
      const task = await rig.ask<TaskAnswer>(others.client, taskOrder(rig));
      return [...taskFaults(task), ...unless(task.resumed === 0, `broke: ${task.breaks[0]}`)];
    },
  },
  {
    title: "native gRPC from outside reaches the gateway by its own name",
    run: async ({ rig }) => {
      const { code, message } = await rig.ask<GrpcAnswer>(others.client, {
        op: "grpc",
        url: outsideGrpcUrl(rig),
        method: "warmpath.gateway.v1.AgentService/ListAgents",
        headers: { authorization: `Bearer ${devKey}` },
      });
      return unless(code === "ok", `${code}: ${message}`);
    },
  },
  {
    title: "what it runs over is mutual TLS between exact identities",
    run: async ({ rig }) => {
      await rig.ask<GrpcAnswer>(services.gateway.pod, {
        op: "grpc",
        url: `http://warmpath-state:${services.state.http + 1}`,
        method: "warmpath.state.v1.TaskService/ListTasks",
      });
      const found = await Promise.all(wires.map((wire) => wireFaults(rig, wire)));
      return found.flat();
    },
  },
];

interface Wire {
  readonly from: string;
  readonly to: keyof typeof services;
  readonly port: number;
}

/** What a task goes over, from the caller's Envoy to that of a Service. */
const wires: readonly Wire[] = [
  { from: others.ingress, to: "gateway", port: services.gateway.http },
  { from: services.gateway.pod, to: "state", port: services.state.http + 1 },
  { from: services.orchestrator.pod, to: "proxy", port: services.proxy.http + 1 },
];

/** Each connection has had its handshake, in which both sides show whose certificate they have. */
async function wireFaults(rig: Rig, { from, to, port }: Wire): Promise<readonly string[]> {
  const service = `warmpath-${services[to].pod}.warmpath.svc.cluster.local`;
  const text = await rig.envoy(from, `/stats?filter=outbound.${port}..${service}.*(cx|handshake)`);
  const count = (name: string) => Number(new RegExp(`;.${name}: (\\d+)`).exec(text)?.[1] ?? 0);
  const opened = count("upstream_cx_total") - count("upstream_cx_connect_fail");
  const handshakes = count("ssl.handshake");
  return unless(
    opened > 0 && handshakes === opened,
    `${from} to ${to}: ${handshakes} handshakes on ${opened} connections`,
  );
}

/** Where a pod is reached without its Service. */
export function addressOf(pods: readonly { name: string; ip: string }[], pod: string): string {
  return pods.find(({ name }) => name === pod)?.ip ?? "";
}

export const plaintextChecks: readonly Check[] = Object.values(services).map(({ pod, http }) => ({
  title: `plain text to ${pod} is reset`,
  run: async ({ rig }) => {
    const ip = addressOf(rig.options.pods, pod);
    const faults: string[] = [];
    for (const port of [http, http + 1]) {
      const url = `http://${ip}:${port}/health`;
      const plain = await rig.ask<HttpAnswer>(others.client, { op: "http", url, timeoutMs: 3000 });
      const isCut = plain.status === 0 && /reset|closed|ECONN/i.test(plain.text);
      faults.push(...unless(isCut, `port ${port}: ${plain.status} ${plain.text.slice(0, 200)}`));
    }
    return faults;
  },
}));
