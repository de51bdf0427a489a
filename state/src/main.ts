import {
  type Bus,
  createHealth,
  createRpcServer,
  httpErrorResponse,
  listenGrpc,
  listenHttp,
  type Metrics,
  opsRoutes,
  type PrincipalSigner,
  type RpcServer,
  type Tracing,
} from "@warmpath/runtime";
import { type Clock, type Logger, WarmpathError } from "@warmpath/runtime/base";
import { logConfigFrom, type StateConfig } from "./config.ts";
import type { HotStore } from "./hot/hot-store.ts";
import { createStateMetrics } from "./metrics.ts";
import type { DispatchQueue } from "./queue/dispatch-queue.ts";
import { createStateServer, type StateServer } from "./server.ts";
import type { Store } from "./store/store.ts";

/** What state stands on. Opened and closed by the caller. */
export interface StateDeps {
  readonly config: StateConfig;
  readonly http: { readonly host: string; readonly port: number };
  readonly grpc: { readonly host: string; readonly port: number };
  readonly store: Store;
  readonly hot: HotStore;
  readonly queue: DispatchQueue;
  readonly bus: Bus;
  readonly signer: PrincipalSigner;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly clock: Clock;
  /** True for the queue in memory, which starts empty: ready tasks are dispatched at the start. */
  readonly isQueueEmpty: boolean;
  /**
   * True when a lock on the data directory proves that no other process runs tasks of this
   * database.
   */
  readonly isOnlyProcess: boolean;
}

/** A running state service. */
export interface State {
  readonly rpc: RpcServer;
  readonly server: StateServer;
  readonly httpPort: number;
  readonly grpcPort: number;
  /** Not ready at once; calls under way end within the grace. */
  close(graceMs: number): Promise<void>;
}

/** Composes the state service, opens its two listeners, and begins to sweep. */
export async function startState(deps: StateDeps): Promise<State> {
  const { config, clock, log, metrics, tracing, signer, store } = deps;
  const health = createHealth({ clock });
  const server = createStateServer({
    ...deps,
    config: logConfigFrom(config, store.isEmbedded),
    sweepMs: config.sweepMs,
    health,
    metrics: createStateMetrics(metrics),
  });
  const rpc = createRpcServer({
    service: "state",
    routes: server.routes,
    signer,
    metrics,
    tracing,
    log,
    clock,
    health,
  });
  const ops = opsRoutes({ health, metrics });
  const http = await listenHttp({
    ...deps.http,
    log,
    handle: async (request) => (await ops(request)) ?? (await rpc.fetch(request)) ?? notFound(),
  });
  try {
    const grpc = await listenGrpc({ ...deps.grpc, servers: rpc, log });
    await server.start(deps);
    return {
      rpc,
      server,
      httpPort: http.port,
      grpcPort: grpc.port,
      async close(graceMs) {
        health.setDraining();
        await Promise.all([http.close(graceMs), grpc.close(graceMs)]);
        await server.stop();
      },
    };
  } catch (error) {
    await http.close(0);
    throw error;
  }
}

function notFound(): Response {
  return httpErrorResponse(
    new WarmpathError("rejected-not-found", "there is nothing at this path"),
  );
}
