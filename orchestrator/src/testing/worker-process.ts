/**
 * One worker in a process of its own, for tests that kill it: the real log on the database at
 * `DATABASE_URL`, JetStream at `NATS_URL`, a scripted model, and tools whose effects are rows.
 */
import { InferenceService } from "@warmpath/proto/inference";
import {
  createMemoryBus,
  createMetrics,
  createRpcServer,
  createServiceClient,
  tracingOff,
} from "@warmpath/runtime";
import { seededRandom, silentLogger, systemClock } from "@warmpath/runtime/base";
import { createTestSigner } from "@warmpath/runtime/testing";
import { createNatsQueue, logConfigDefault, openStore } from "@warmpath/state";
import { createTaskLog } from "@warmpath/state/log";
import { createMemoryHot } from "@warmpath/state/testing";
import { startWorker } from "../dispatch/worker.ts";
import { createOrchestratorMetrics } from "../metrics.ts";
import { noCrash } from "../run/crash-point.ts";
import { createToolbox } from "../tools/toolbox.ts";
import { effectAgent, effectModel, effectTools } from "./effect-rows.ts";
import { runDepsOf } from "./harness.ts";
import { createScriptedModel } from "./scripted-model.ts";

const { DATABASE_URL = "", NATS_URL = "", LEASE_MS = "2000", STREAM = "WARMPATH" } = process.env;
const clock = systemClock;
const log = silentLogger;
const bus = createMemoryBus();
const store = await openStore({ databaseUrl: DATABASE_URL, poolSize: 4, migrate: false, log });
const queue = createNatsQueue({ url: NATS_URL, name: STREAM, log, clock });
const config = { ...logConfigDefault, leaseMs: Number(LEASE_MS), pollMs: 50, groupsInFlightMax: 2 };
const hot = createMemoryHot(clock);
const taskLog = createTaskLog({ store, queue, bus, config, clock, log, hot });
const rpc = { signer: createTestSigner(), tracing: tracingOff, log, clock };
const inference = createServiceClient(
  InferenceService,
  createRpcServer({
    ...rpc,
    metrics: createMetrics("model"),
    service: "model",
    routes: createScriptedModel(effectModel).routes,
  }).transport(),
  { ...rpc, timeoutMs: 5_000 },
);
const metrics = createOrchestratorMetrics(createMetrics("orchestrator"));
const spec = effectAgent(store);
const toolbox = createToolbox({
  ...rpc,
  builtins: effectTools(store),
  random: seededRandom(1),
  toolTriesMax: 3,
  callTimeoutMs: 5_000,
});
const system = { bus, clock, taskLog, tracing: tracingOff, clients: { inference } };
const run = runDepsOf(
  system,
  {},
  { specs: new Map([[spec.name, spec]]), toolbox, metrics, crashPoint: noCrash },
);
await startWorker({
  ...system,
  log,
  metrics,
  crashPoint: noCrash,
  run,
  runsMax: 8,
  renewMs: config.leaseMs / 4,
  weights: { interactive: 12, standard: 3, batch: 1 },
});
console.log("ready");
