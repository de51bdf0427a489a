import { createPrincipalSigner, createServiceTransport } from "@warmpath/runtime";
import { systemClock, WarmpathError } from "@warmpath/runtime/base";
import type { Settings } from "./load-settings.ts";
import { portsOf, reachableHost, type ServiceName } from "./ports.ts";
import type { ProcessContext } from "./run-until-stopped.ts";
import {
  createServiceMetrics,
  launchGateway,
  launchInferenceProxy,
  launchOrchestrator,
  launchState,
  type ServiceContext,
} from "./services.ts";
import { openBus, openStorage } from "./storage.ts";

/**
 * Runs one service in this process; its neighbours are reached over gRPC, and storage is real
 * servers.
 */
export async function serve(
  name: ServiceName,
  settings: Settings,
  processContext: ProcessContext,
): Promise<void> {
  assertServable(name, settings);
  const { system } = settings;
  const context: ServiceContext = {
    ...processContext,
    settings,
    clock: systemClock,
    metricsOf: createServiceMetrics(),
    signer: createPrincipalSigner(system.principalKeys, systemClock),
  };
  const neighbours = connectNeighbours(context);
  await launchers[name](context, neighbours);
  context.log.info("ready", { service: name, ...portsOf(system.port).services[name] });
}

interface Neighbours {
  state(): ReturnType<typeof createServiceTransport>;
  inference(): ReturnType<typeof createServiceTransport>;
}

const launchers: Readonly<
  Record<ServiceName, (context: ServiceContext, neighbours: Neighbours) => Promise<unknown>>
> = {
  state: async (context) => {
    const { startWaitMs: waitMs } = context.settings.system;
    const deps = { ...context, metrics: context.metricsOf("state") };
    const storage = await openStorage(context.settings, deps, { migrate: true, waitMs });
    const { devKey } = context.settings.system;
    return launchState(context, storage, { isAlone: false, devKey });
  },
  "inference-proxy": (context, neighbours) =>
    launchInferenceProxy(context, {
      state: neighbours.state(),
      bus: deferredBus(context, "inference-proxy"),
      upstreams: context.settings.inferenceProxy.upstreams,
      prices: context.settings.inferenceProxy.prices,
    }),
  orchestrator: async (context, neighbours) => {
    const { startWaitMs: waitMs } = context.settings.system;
    const deps = { ...context, metrics: context.metricsOf("orchestrator") };
    const storage = await openStorage(context.settings, deps, { migrate: false, waitMs });
    return launchOrchestrator(context, {
      state: neighbours.state(),
      inference: neighbours.inference(),
      storage,
    });
  },
  gateway: (context, neighbours) =>
    launchGateway(context, { state: neighbours.state(), bus: deferredBus(context, "gateway") }),
};

function deferredBus({ settings, log, defer, metricsOf }: ServiceContext, name: ServiceName) {
  const bus = openBus(settings, log, metricsOf(name));
  defer({ name: "bus", close: () => bus.close() });
  return bus;
}

function connectNeighbours({ settings, defer }: ServiceContext): Neighbours {
  const { port, stateUrl, inferenceUrl } = settings.system;
  const host = reachableHost(settings.system.host);
  const { services } = portsOf(port);
  const connect = (url: string) => {
    const transport = createServiceTransport({ url });
    defer({ name: `connection to ${url}`, close: () => transport.close() });
    return transport;
  };
  return {
    state: () => connect(stateUrl ?? `http://${host}:${services.state.grpc}`),
    inference: () => connect(inferenceUrl ?? `http://${host}:${services["inference-proxy"].grpc}`),
  };
}

/**
 * Separate processes share nothing but servers: without them there is nothing to stand on. Throws
 * `rejected-config` with every setting that a service misses.
 */
export function assertServable(
  name: ServiceName,
  { system, inferenceProxy }: Pick<Settings, "system" | "inferenceProxy">,
): void {
  const faults: string[] = [];
  const need = (isGiven: boolean, what: string) => {
    if (!isGiven) {
      faults.push(what);
    }
  };
  const usesStorage = name === "state" || name === "orchestrator";
  need(
    system.nats !== undefined,
    "--nats URL (WARMPATH_NATS), which carries events between services",
  );
  need(
    !usesStorage || system.postgres !== undefined,
    "--postgres URL (WARMPATH_POSTGRES), which holds the record",
  );
  need(
    !usesStorage || system.redis !== undefined,
    "--redis URL (WARMPATH_REDIS), which holds what is hot",
  );
  need(
    system.principalKeys.length > 0,
    "WARMPATH_PRINCIPAL_KEYS, the same for every service, which sign on whose behalf calls are made",
  );
  need(
    name !== "inference-proxy" ||
      inferenceProxy.upstreams.length + inferenceProxy.providers.length > 0,
    "--upstream URL (WARMPATH_UPSTREAM), the engines to call, or --provider (WARMPATH_PROVIDERS), hosted ones",
  );
  if (faults.length > 0) {
    throw new WarmpathError(
      "rejected-config",
      `serve ${name} needs:\n${faults.map((each) => `  - ${each}`).join("\n")}`,
    );
  }
}
