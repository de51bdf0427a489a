import type {
  ConnectRouter,
  HandlerContext,
  Interceptor,
  MethodImplSpec,
  Transport,
} from "@connectrpc/connect";
import {
  createUniversalHandlerClient,
  type UniversalHandler,
  universalServerRequestFromFetch,
  universalServerResponseToFetch,
} from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import { type Clock, type Logger, WarmpathError } from "../base/index.ts";
import type { Health } from "../health.ts";
import { type Principal, type PrincipalSigner, principalHeader } from "../principal.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Tracing } from "../telemetry/tracing.ts";
import { principalKey } from "./call-context.ts";
import { describedErrors } from "./described-errors.ts";
import { mountHealth } from "./health-service.ts";
import { callTimeoutMsMax, defaultRpcLimits, type RpcLimits } from "./limits.ts";
import { createObserver } from "./observe.ts";
import { mountReflection } from "./reflection.ts";
import { mountRoutes } from "./routes.ts";
import { validateRequests } from "./validate.ts";

/** What a server of RPCs is made of. */
export interface RpcServerOptions {
  /** Name of the service, as in logs and metrics. */
  readonly service: string;
  /** Mounts the implementations. */
  readonly routes: (router: ConnectRouter) => void;
  /**
   * Verifies the signed principal of each call; undefined leaves calls without one (tests, tools).
   */
  readonly signer: PrincipalSigner | undefined;
  /**
   * Finds the principal itself, from an API key; used by the services that face outside callers.
   */
  readonly authenticate?: (headers: Headers) => Promise<Principal>;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly log: Logger;
  readonly clock: Clock;
  /** Answers grpc.health.v1 when given; without it the server is healthy as long as it answers. */
  readonly health?: Health;
  readonly limits?: Partial<RpcLimits>;
}

/** One set of service implementations behind the same interceptors, whatever the way in. */
export interface RpcServer {
  readonly service: string;
  /** Calls it in this process, without a socket, through the same interceptors and limits. */
  transport(): Transport;
  /**
   * Answers Connect and gRPC-Web; undefined when the path does not look like
   * `/package.Service/Method`.
   */
  fetch(request: Request): Promise<Response | undefined>;
  /** What the native gRPC listener mounts. */
  readonly mounted: MountedRpc;
}

/** The implementations with everything that has to surround them. */
export interface MountedRpc {
  readonly methods: readonly MethodImplSpec[];
  readonly interceptors: Interceptor[];
  /** Runs before a body is read; throws a ConnectError to refuse the call. */
  readonly gate: (context: HandlerContext) => Promise<void>;
  readonly limits: RpcLimits;
}

/** Services that anyone may ask. */
const openServices: readonly string[] = [
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
];

/** Mounts service implementations, with health and reflection beside them. */
export function createRpcServer(options: RpcServerOptions): RpcServer {
  const limits = { ...defaultRpcLimits, ...options.limits };
  const observer = createObserver(options);
  const interceptors = [observer.interceptor, validateRequests];
  const gate = async (context: HandlerContext) => {
    if (openServices.includes(context.service.typeName)) {
      return;
    }
    try {
      const principal = await principalFrom(options, context.requestHeader);
      context.values.set(principalKey, principal);
    } catch (error) {
      throw observer.refuse(`${context.service.typeName}/${context.method.name}`, error);
    }
  };
  const routes = (router: ConnectRouter, soFar: readonly MethodImplSpec[]) => {
    options.routes(router);
    const served = [...new Set(soFar.map(({ method }) => method.parent))];
    mountHealth(router, options.health, served, options.clock);
    mountReflection(router, served);
  };
  const { handlers, methods } = mountRoutes(routes, {
    interceptors,
    requestGate: gate,
    readMaxBytes: limits.messageBytesMax,
    writeMaxBytes: limits.sentMessageBytesMax,
    maxTimeoutMs: callTimeoutMsMax,
    jsonOptions: { ignoreUnknownFields: false },
  });
  const described = handlers.map(describedErrors);
  return {
    service: options.service,
    mounted: { methods, interceptors, gate, limits },
    transport: () => inMemoryTransport(described, limits),
    fetch: fetchHandler(described),
  };
}

async function principalFrom(
  { authenticate, signer }: RpcServerOptions,
  headers: Headers,
): Promise<Principal | undefined> {
  if (authenticate !== undefined) {
    return await authenticate(headers);
  }
  if (signer === undefined) {
    return undefined;
  }
  const text = headers.get(principalHeader);
  if (text === null) {
    const message = `the call carries no ${principalHeader} metadata`;
    throw new WarmpathError("rejected-unsigned", message);
  }
  return signer.verify(text);
}

function inMemoryTransport(handlers: readonly UniversalHandler[], limits: RpcLimits): Transport {
  return createTransport({
    httpClient: createUniversalHandlerClient([...handlers]),
    baseUrl: "https://in-memory",
    useBinaryFormat: true,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: Number.MAX_SAFE_INTEGER,
    readMaxBytes: limits.sentMessageBytesMax,
    writeMaxBytes: limits.sentMessageBytesMax,
  });
}

/**
 * `/package.Service/Method`; nothing else that a service answers has a dot in its first and a
 * capital in both.
 */
const methodPath = /^\/[a-z][a-zA-Z0-9_.]*\.[A-Z][a-zA-Z0-9_]*\/[A-Z][a-zA-Z0-9_]*$/;

/**
 * Connect answers an unknown method with 404, and clients of all protocols read that as
 * UNIMPLEMENTED.
 */
function unknownMethod(pathname: string): Response {
  const body = { code: "unimplemented", message: `there is no method ${pathname.slice(1)} here` };
  return Response.json(body, { status: 404 });
}

function fetchHandler(handlers: readonly UniversalHandler[]): RpcServer["fetch"] {
  const byPath = new Map(handlers.map((handler) => [handler.requestPath, handler]));
  return async (request) => {
    const { pathname } = new URL(request.url);
    const handler = byPath.get(pathname);
    if (handler === undefined) {
      return methodPath.test(pathname) ? unknownMethod(pathname) : undefined;
    }
    // Bun does not tell which HTTP version a request came with; full duplex works on h2, and a
    // caller that tries it over HTTP/1.1 gets its answers when it has sent everything.
    const universal = universalServerRequestFromFetch(request, { httpVersion: "2.0" });
    return universalServerResponseToFetch(await handler(universal));
  };
}
