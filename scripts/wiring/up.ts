import type { Transport } from "@connectrpc/connect";
import { AgentRegistry } from "@warmpath/proto/state";
import {
  createPrincipalSigner,
  createServiceClient,
  servicePrincipal,
  tracingOff,
} from "@warmpath/runtime";
import { systemClock } from "@warmpath/runtime/base";
import { newSecret as newKeySecret } from "@warmpath/state";
import { devKeyFile, keptSecret, newSecret, prepareDataDir, principalKeyFile } from "./data-dir.ts";
import { assertPortsFree } from "./free-ports.ts";
import type { Settings } from "./load-settings.ts";
import { portsOf, serviceNames } from "./ports.ts";
import { startReplicas } from "./replicas.ts";
import type { ProcessContext } from "./run-until-stopped.ts";
import { renderScreen } from "./screen.ts";
import {
  createServiceMetrics,
  launchGateway,
  launchInferenceProxy,
  launchOrchestrator,
  launchState,
  type ServiceContext,
} from "./services.ts";
import { openStorage } from "./storage.ts";

/**
 * What the simulated model's tokens cost, in nano-dollars: an invented price in the range of
 * hosted 8B models, so that cost is seen at work before there is a real one.
 */
const examplePrices = ["warmpath-sim=100/25/400"];

/** How long the screen waits for the agents, in ms: registering is one call within this process. */
const registrationMsMax = 5_000;
const registrationPollMs = 10;

/**
 * Runs all layers in this process, over in-memory transports, and prints the screen once they are
 * ready.
 */
export async function up(settings: Settings, processContext: ProcessContext): Promise<void> {
  const startedMs = systemClock.monotonicMs();
  const { system } = settings;
  const { upstreams: givenUpstreams, prices: givenPrices } = settings.inferenceProxy;
  const isSimulated = givenUpstreams.length === 0;
  await assertPortsFree(system.host, wantedPorts(settings, isSimulated));
  prepareDataDir(system.dataDir);
  const devKey = system.devKey ?? keptSecret(system.dataDir, devKeyFile, newKeySecret);
  const signingKeys =
    system.principalKeys.length > 0
      ? system.principalKeys
      : [keptSecret(system.dataDir, principalKeyFile, () => newSecret("wpp_"))];
  const context: ServiceContext = {
    ...processContext,
    settings,
    clock: systemClock,
    metricsOf: createServiceMetrics(),
    signer: createPrincipalSigner(signingKeys, systemClock),
  };
  const onProgress = (text: string) => void process.stderr.write(`${text}\n`);
  const [storage, upstreams] = await Promise.all([
    // One bus for all: the gateway's, whose watchers miss what it drops.
    openStorage(
      settings,
      { ...context, onProgress, metrics: context.metricsOf("gateway") },
      { migrate: true, waitMs: 0 },
    ),
    isSimulated ? startReplicas(system, context) : givenUpstreams,
  ]);
  const { bus } = storage;
  const isAlone = system.postgres === undefined;
  const state = (await launchState(context, storage, { isAlone, devKey })).rpc.transport();
  const proxy = await launchInferenceProxy(context, {
    state,
    bus,
    upstreams,
    prices: isSimulated && givenPrices.length === 0 ? examplePrices : givenPrices,
  });

  const inference = proxy.rpc.transport();
  await launchOrchestrator(context, { state, inference, storage });
  await launchGateway(context, { state, bus });
  process.stdout.write(
    renderScreen({
      host: system.host,
      port: system.port,
      dataDir: system.dataDir,
      devKey,
      isKeyGiven: system.devKey !== undefined,
      simulatedReplicas: isSimulated ? upstreams.length : 0,
      upstreams,
      agents: await registeredAgents(context, state),
      embedded: storage.embedded,
      readyInMs: systemClock.monotonicMs() - startedMs,
    }),
  );
}

/** The agents on offer, once the worker has registered them. */
async function registeredAgents(
  { signer, clock }: ServiceContext,
  state: Transport,
): Promise<readonly string[]> {
  const options = { signer, tracing: tracingOff, timeoutMs: registrationMsMax };
  const registry = createServiceClient(AgentRegistry, state, options);
  const deadlineMs = clock.monotonicMs() + registrationMsMax;
  for (;;) {
    const { agents } = await registry.listAgents({}, { principal: servicePrincipal("up") });
    if (agents.length > 0 || clock.monotonicMs() > deadlineMs) {
      return agents.map(({ name }) => name);
    }
    await clock.sleep(registrationPollMs);
  }
}

function wantedPorts({ system }: Settings, isSimulated: boolean): { port: number; use: string }[] {
  const { services, replica } = portsOf(system.port);
  const ports = serviceNames.flatMap((name) => [
    { port: services[name].http, use: `the HTTP listener of ${name}` },
    { port: services[name].grpc, use: `the gRPC listener of ${name}` },
  ]);
  const replicas = isSimulated ? system.replicas : 0;
  for (let index = 0; index < replicas; index += 1) {
    ports.push({ port: replica(index), use: `simulated replica ${index + 1}` });
  }
  return ports.sort((a, b) => a.port - b.port);
}
