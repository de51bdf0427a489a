/**
 * One contender as a process of its own: `bun server.ts runtime|connect-node`. Prints its port and
 * ends when its input closes. Both serve the same implementation of `InferenceService`: one unary
 * call, one stream of text.
 */
import { createServer } from "node:http2";
import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { InferenceService } from "@warmpath/proto/inference";
import { createMetrics, createRpcServer, listenGrpc, tracingOff } from "@warmpath/runtime";
import { silentLogger, systemClock } from "@warmpath/runtime/base";

/** Messages of one stream: a middling answer. */
export const streamMessages = 200;

const implementation: Partial<ServiceImpl<typeof InferenceService>> = {
  listModels: () => ({ models: [{ name: "m", contextTokens: 8192, healthyReplicas: 3 }] }),
  async *generate() {
    for (let index = 0; index < streamMessages; index += 1) {
      yield { event: { case: "textDelta" as const, value: "a token" } };
    }
  },
};

const routes = (router: ConnectRouter) => {
  router.service(InferenceService, implementation);
};

/** Ours, with everything that every call goes through: validation, errors, metrics, deadlines. */
async function listenRuntime(): Promise<number> {
  const servers = createRpcServer({
    service: "bench",
    routes,
    signer: undefined,
    metrics: createMetrics("bench"),
    tracing: tracingOff,
    log: silentLogger,
    clock: systemClock,
  });
  const { port } = await listenGrpc({ host: "127.0.0.1", port: 0, servers, log: silentLogger });
  return port;
}

/** connect-node as its documentation shows it, on `node:http2`, with nothing around the calls. */
function listenConnectNode(): Promise<number> {
  const server = createServer(connectNodeAdapter({ routes }));
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

if (import.meta.main) {
  const port = await (process.argv[2] === "runtime" ? listenRuntime() : listenConnectNode());
  process.stdout.write(`${port}\n`);
  process.stdin.on("end", () => process.exit(0));
  process.stdin.resume();
}
