import type { ConnectRouter } from "@connectrpc/connect";
import {
  AgentRegistry,
  ConversationService,
  KeyService,
  KnowledgeService,
  TaskService,
} from "@warmpath/proto/state";
import type { Bus, Health } from "@warmpath/runtime";
import type { Clock, Logger } from "@warmpath/runtime/base";
import type { HotStore } from "./hot/hot-store.ts";
import { type LogConfig, logConfigDefault } from "./log/log-config.ts";
import { createOutboxPump, type OutboxPump } from "./log/outbox.ts";
import { redispatchAll } from "./log/ready-tasks.ts";
import type { StateMetrics } from "./metrics.ts";
import type { DispatchQueue } from "./queue/dispatch-queue.ts";
import { createAgentRegistry } from "./services/agent-registry.ts";
import { createConversationService } from "./services/conversation-service.ts";
import { createKeyService } from "./services/key-service.ts";
import { createKnowledgeService } from "./services/knowledge-service.ts";
import { createTaskService } from "./services/task-service.ts";
import type { Store } from "./store/store.ts";
import { createSweeper } from "./sweeper.ts";

/** What the state server stands on. */
export interface StateServerDeps {
  readonly store: Store;
  readonly hot: HotStore;
  readonly queue: DispatchQueue;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config?: LogConfig;
  /** Pause between sweeps, in ms. Default 1 s. */
  readonly sweepMs?: number;
  /** Adds a check for each thing that state stands on. */
  readonly health?: Health;
  readonly metrics?: StateMetrics;
}

/** The state service without its listeners. */
export interface StateServer {
  /** Mounts the services of `warmpath.state.v1`. */
  readonly routes: (router: ConnectRouter) => void;
  /** Carries dispatches to the queue; a log in the same process may share it. */
  readonly pump: OutboxPump;
  /**
   * Begins to sweep. `isQueueEmpty`: the queue forgot everything at the restart, as the one in
   * memory does, so all ready tasks are dispatched now. `isOnlyProcess`: a lock proves that no
   * other worker lives, so running tasks are taken as abandoned at once, without waiting for their
   * leases.
   */
  start(options: {
    readonly isQueueEmpty: boolean;
    readonly isOnlyProcess: boolean;
  }): Promise<void>;
  /** Ends the sweeps and waits for what is under way. */
  stop(): Promise<void>;
}

const sweepMsDefault = 1000;

/** Composes the state service. */
export function createStateServer(deps: StateServerDeps): StateServer {
  const { store, hot, queue, bus, clock, log } = deps;
  const config = deps.config ?? logConfigDefault;
  const pump = createOutboxPump({ store, queue, log, clock });
  const serviceDeps = { store, hot, bus, pump, clock, log, config };
  const sweepMs = deps.sweepMs ?? sweepMsDefault;
  const { metrics } = deps;
  const sweeper = createSweeper({ ...serviceDeps, queue, sweepMs, metrics });
  deps.health?.check("database", () => store.ready());
  // The record is in the database. All pods share the others: not ready for want of one, they would
  // refuse together what each of them can still do.
  deps.health?.checkOptional("hot-store", () => hot.ready());
  deps.health?.checkOptional("queue", () => queue.ready());
  deps.health?.checkOptional("bus", () => bus.ready());
  return {
    pump,
    routes(router) {
      router.service(TaskService, createTaskService(serviceDeps));
      router.service(AgentRegistry, createAgentRegistry(serviceDeps));
      router.service(ConversationService, createConversationService(serviceDeps));
      router.service(KnowledgeService, createKnowledgeService(serviceDeps));
      router.service(KeyService, createKeyService(serviceDeps));
    },
    async start({ isQueueEmpty, isOnlyProcess }) {
      if (isQueueEmpty || isOnlyProcess) {
        const count = await redispatchAll(store, config, isOnlyProcess, pump.offer);
        if (count > 0) {
          log.info("dispatched the tasks that an earlier process left", { count });
        }
      }
      sweeper.start();
    },
    async stop() {
      await sweeper.stop();
      await pump.idle();
    },
  };
}
