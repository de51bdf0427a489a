import type { ConnectRouter, Transport } from "@connectrpc/connect";
import { createFetchClient } from "@connectrpc/connect/protocol";
import { createTransport as createConnectTransport } from "@connectrpc/connect/protocol-connect";
import { createTransport as createGrpcWebTransport } from "@connectrpc/connect/protocol-grpc-web";
import { type Logger, silentLogger, systemClock } from "../base/index.ts";
import { createServiceTransport } from "../rpc/grpc-transport.ts";
import { listenGrpc } from "../rpc/listen-grpc.ts";
import { listenHttp } from "../rpc/listen-http.ts";
import { createRpcServer, type RpcServer, type RpcServerOptions } from "../rpc/server.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { tracingOff } from "../telemetry/tracing.ts";
import { createTestSigner } from "./test-signer.ts";

/** The ways to reach one server. */
export const transportNames = ["in memory", "gRPC", "Connect", "Connect JSON", "gRPC-Web"] as const;
export type TransportName = (typeof transportNames)[number];

/** A server on both listeners, with a transport for each way in. */
export interface RpcFixture {
  readonly server: RpcServer;
  readonly httpUrl: string;
  readonly grpcUrl: string;
  transport(name: TransportName): Transport;
  close(): Promise<void>;
}

const clientBytesMax = 64 * 1024 * 1024;

/** Serves `routes` on free ports of 127.0.0.1, or native gRPC on a given one. */
export async function startRpcFixture(
  routes: (router: ConnectRouter) => void,
  options: Partial<RpcServerOptions> & { log?: Logger; grpcPort?: number } = {},
): Promise<RpcFixture> {
  const log = options.log ?? silentLogger;
  const server = createRpcServer({
    service: "test",
    routes,
    signer: createTestSigner(),
    metrics: createMetrics("test"),
    tracing: tracingOff,
    log,
    clock: systemClock,
    ...options,
  });
  const host = "127.0.0.1";
  const grpc = await listenGrpc({ host, port: options.grpcPort ?? 0, servers: server, log });
  const handle = async (request: Request) =>
    (await server.fetch(request)) ?? new Response("not found", { status: 404 });
  const http = await listenHttp({ host, port: 0, handle, log });
  const httpUrl = `http://${host}:${http.port}`;
  const grpcUrl = `http://${host}:${grpc.port}`;
  const grpcTransport = createServiceTransport({ url: grpcUrl });
  const overFetch = {
    httpClient: createFetchClient(fetch),
    baseUrl: httpUrl,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 1024,
    readMaxBytes: clientBytesMax,
    writeMaxBytes: clientBytesMax,
  };
  const transports: Record<TransportName, Transport> = {
    "in memory": server.transport(),
    gRPC: grpcTransport,
    Connect: createConnectTransport({ ...overFetch, useBinaryFormat: true }),
    "Connect JSON": createConnectTransport({ ...overFetch, useBinaryFormat: false }),
    "gRPC-Web": createGrpcWebTransport({ ...overFetch, useBinaryFormat: true }),
  };
  return {
    server,
    httpUrl,
    grpcUrl,
    transport: (name) => transports[name],
    async close() {
      grpcTransport.close();
      await Promise.all([grpc.close(0), http.close(0)]);
    },
  };
}
