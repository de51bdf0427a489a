import { createMethodUrl } from "@connectrpc/connect/protocol";
import {
  logVerbosity,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { after, type Logger, systemClock } from "../base/index.ts";
import { grpcHandler } from "./grpc-handler.ts";
import { concurrentStreamsMax, keepaliveMs, keepaliveTimeoutMs } from "./limits.ts";
import { listenFault } from "./listen-fault.ts";
import type { Listener } from "./listen-http.ts";
import type { MountedRpc, RpcServer } from "./server.ts";

// Its complaints about a busy port or a lost connection also reach us as errors, which we word and
// log.
setLogVerbosity(logVerbosity.NONE);

/** Where the native gRPC listener listens, and what it answers. */
export interface ListenGrpcOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly servers: RpcServer;
  readonly log: Logger;
}

/** Serves native gRPC, which needs the trailers that `Bun.serve` does not send. */
export async function listenGrpc(options: ListenGrpcOptions): Promise<Listener> {
  const { host, port, servers, log } = options;
  const { mounted } = servers;
  const server = new Server({
    "grpc.max_receive_message_length": mounted.limits.messageBytesMax,
    "grpc.max_send_message_length": mounted.limits.sentMessageBytesMax,
    "grpc.max_concurrent_streams": concurrentStreamsMax,
    "grpc.keepalive_time_ms": keepaliveMs,
    "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
    // A second process on the same port must fail, not share it.
    "grpc.so_reuseport": 0,
  });
  mount(server, mounted);
  const boundPort = await bind(server, host, port);
  log.info("grpc listening", { host, port: boundPort });
  return {
    port: boundPort,
    close: (graceMs) => closeWithin(server, graceMs),
  };
}

function mount(server: Server, rpc: MountedRpc): void {
  const definition: Record<string, ServiceDefinition[string]> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const spec of rpc.methods) {
    const path = createMethodUrl("/", spec.method);
    definition[path] = {
      path,
      requestStream: spec.kind === "client_streaming" || spec.kind === "bidi_streaming",
      responseStream: spec.kind === "server_streaming" || spec.kind === "bidi_streaming",
      // Messages are encoded and decoded by the handlers, whose errors we word.
      requestSerialize: identity,
      requestDeserialize: identity,
      responseSerialize: asBuffer,
      responseDeserialize: identity,
    };
    implementation[path] = grpcHandler(rpc, spec);
  }
  server.addService(definition, implementation);
}

function identity(bytes: Buffer): Buffer {
  return bytes;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function bind(server: Server, host: string, port: number): Promise<number> {
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, boundPort) => {
      if (error === null) {
        resolve(boundPort);
      } else {
        reject(listenFault(error, { host, port }));
      }
    });
  });
}

/** Lets open calls end for `graceMs`, then cuts them. */
function closeWithin(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = after(systemClock, graceMs, () => server.forceShutdown());
    server.tryShutdown(() => {
      timer.cancel();
      resolve();
    });
  });
}
