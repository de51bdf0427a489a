/** The share of calls that a canary gets. */
import type { GrpcAnswer } from "../agent-protocol.ts";
import type { Rig } from "../rig.ts";
import { services } from "../scene.ts";
import { type Check, unless } from "./check.ts";

const calls = 400;
/** As values.yaml has it. */
const share = 0.2;
/** Standard deviations: beyond these lies one run of a hundred thousand. */
const deviationsMax = 4.42;

/** Calls that the gateway's Envoy has sent to a Service on state's gRPC port. */
async function sentTo(rig: Rig, service: string): Promise<number> {
  const port = services.state.http + 1;
  const name = `outbound|${port}||${service}.warmpath.svc.cluster.local`;
  const stats = await rig.envoy(services.gateway.pod, "/stats?filter=upstream_rq_total$");
  const line = stats.split("\n").find((each) => each.startsWith(`cluster.${name};`));
  return Number(line?.split(": ")[1] ?? Number.NaN);
}

export const canaryChecks: readonly Check[] = [
  {
    title: `a canary of ${share * 100} percent gets its share of ${calls} calls`,
    run: async ({ rig }) => {
      const count = async () => ({
        stable: await sentTo(rig, "warmpath-state"),
        canary: await sentTo(rig, "warmpath-state-canary"),
      });
      const before = await count();
      const failed: string[] = [];
      for (let call = 0; call < calls; call += 1) {
        const { code, message } = await rig.ask<GrpcAnswer>(services.gateway.pod, {
          op: "grpc",
          url: `http://warmpath-state:${services.state.http + 1}`,
          method: "warmpath.state.v1.TaskService/ListTasks",
        });
        if (code !== "ok") {
          failed.push(`${code} ${message}`);
        }
      }
      const after = await count();
      const canary = after.canary - before.canary;
      // The gateway's own calls are split as well.
      const all = canary + after.stable - before.stable;
      const deviation = Math.sqrt(all * share * (1 - share));
      const isWithin = Math.abs(canary - all * share) <= deviationsMax * deviation;
      return [
        ...unless(all >= calls, `Envoy counted ${all} calls`),
        ...unless(isWithin, `${canary} of ${all} calls, ${all * share} were to be expected`),
        ...unless(failed.length === 0, `${failed.length} calls failed: ${failed[0]}`),
      ];
    },
  },
];
