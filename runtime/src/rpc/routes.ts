import {
  type ConnectRouter,
  createConnectRouter,
  createMethodImplSpec,
  createServiceImplSpec,
  type MethodImplSpec,
} from "@connectrpc/connect";
import type { UniversalHandler, UniversalHandlerOptions } from "@connectrpc/connect/protocol";

/** Service implementations, mounted once and answered in every protocol. */
export interface MountedRoutes {
  /** For Connect and gRPC-Web. */
  readonly handlers: readonly UniversalHandler[];
  /** For native gRPC, and for reflection. */
  readonly methods: readonly MethodImplSpec[];
}

/**
 * Runs `routes` against a router that keeps the implementations beside the handlers made of them,
 * which connect-es's own router does not; `routes` is also given the implementations mounted so
 * far. Options given per service or method do not reach native gRPC.
 */
export function mountRoutes(
  routes: (router: ConnectRouter, mounted: readonly MethodImplSpec[]) => void,
  options: Partial<UniversalHandlerOptions>,
): MountedRoutes {
  const inner = createConnectRouter({ ...options, grpc: false });
  const methods: MethodImplSpec[] = [];
  const router: ConnectRouter = {
    handlers: inner.handlers,
    service(service, implementation, serviceOptions) {
      methods.push(...Object.values(createServiceImplSpec(service, implementation).methods));
      inner.service(service, implementation, serviceOptions);
      return router;
    },
    rpc(method, implementation, methodOptions) {
      methods.push(createMethodImplSpec(method, implementation));
      inner.rpc(method, implementation, methodOptions);
      return router;
    },
  };
  routes(router, methods);
  return { handlers: inner.handlers, methods };
}
