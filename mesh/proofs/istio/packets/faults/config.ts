/** Faults in the configuration: an object of the chart that says something else, or one more. */
import type { KubeObject } from "../../../kube-object.ts";
import { type Rig, until } from "../rig.ts";
import type { Fault } from "./fault.ts";

/** How often an Envoy's statistics have to say the same until it has all of a change. */
const samesMin = 4;
const sampleMs = 100;

interface Match {
  readonly path?: { readonly value: string };
  readonly method?: { readonly method: string };
}

/** What faults change below `spec`, of whichever kind the object is. */
export interface Spec {
  /** Of a VirtualService. */
  readonly http: {
    readonly name: string;
    timeout?: string;
    retries: { attempts: number; retryOn?: string };
    readonly route: { weight?: number }[];
  }[];
  /** Of an AuthorizationPolicy, an HTTPRoute or a GRPCRoute. */
  rules: {
    from?: { source: { principals: string[] } }[];
    matches?: Match[] | undefined;
    timeouts?: { request: string };
  }[];
  /** Of a DestinationRule. */
  readonly trafficPolicy: { tls: { mode: string }; outlierDetection?: Record<string, unknown> };
  /** Of an AuthorizationPolicy. */
  selector?: unknown;
}

interface WithRig {
  readonly rig: Rig;
}

/** A fault in an object of the chart: `change` is given a copy of what is below its `spec`. */
export function configFault<S extends WithRig>(options: {
  readonly title: string;
  readonly reds: readonly string[];
  /** Its kind and name. */
  readonly object: `${string}/${string}`;
  /** The pod whose Envoy is told of it. */
  readonly told: string;
  /** Objects of Istio's that are there only while the fault is. */
  readonly more?: readonly KubeObject[];
  change?(spec: Spec): void;
}): Fault<S> {
  const { title, reds, object, told, more = [], change } = options;
  return {
    title,
    reds,
    plant: async (stage) => {
      const { rig } = stage;
      const whole = objectNamed(rig, object);
      const changed = structuredClone(whole);
      // Spec names what faults change, and nothing reads what it says of other kinds.
      change?.(changed.spec as unknown as Spec);
      await untilTold(rig, told, async () => {
        await rig.put(changed);
        await Promise.all(more.map((each) => rig.put(each)));
      });
      const mend = async () => {
        await Promise.all(more.map((each) => rig.remove(each)));
        await rig.put(whole);
      };
      return { stage, mend: () => untilTold(rig, told, mend) };
    },
  };
}

function objectNamed(rig: Rig, name: string): KubeObject {
  const found = rig.options.objects.find(
    ({ kind, metadata }) => `${kind}/${metadata.name}` === name,
  );
  if (found === undefined) {
    throw new Error(`the chart has no ${name}`);
  }
  return found;
}

/** Changes what the control plane says, and waits until a pod's Envoy has taken all of it in. */
async function untilTold(rig: Rig, pod: string, change: () => Promise<void>): Promise<void> {
  const before = await updatesOf(rig, pod);
  await change();
  let latest = before;
  let sames = 0;
  const isTold = async () => {
    const now = await updatesOf(rig, pod);
    sames = now === latest ? sames + 1 : 0;
    latest = now;
    await Bun.sleep(sampleMs);
    return now > before && sames >= samesMin && (await isWarm(rig, pod));
  };
  await until(isTold, `a new configuration of the Envoy in ${pod}`, 15_000);
}

/** Whether all that an Envoy has taken is in use: it goes by the old until the new is complete. */
async function isWarm(rig: Rig, pod: string): Promise<boolean> {
  const stats = await rig.envoy(pod, "/stats?filter=(listeners_warming|warming_clusters)$");
  return !/: [1-9]/.test(stats);
}

/** Configurations that an Envoy has taken, of all kinds together. */
async function updatesOf(rig: Rig, pod: string): Promise<number> {
  const stats = await rig.envoy(pod, "/stats?filter=update_(success|rejected)$");
  return [...stats.matchAll(/: (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}
