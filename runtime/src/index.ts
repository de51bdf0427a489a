/** What every service stands on. */
export { type Bus, busLimits, type OnMessage, type Subscription } from "./bus/bus.ts";
export { type BusMetrics, createBusMetrics } from "./bus/bus-metrics.ts";
export { type BusOptions, createMemoryBus } from "./bus/memory-bus.ts";
export { namespacedBus } from "./bus/namespaced-bus.ts";
export { createNatsBus, type NatsBusOptions } from "./bus/nats-bus.ts";
export {
  agentsChangedSubject,
  controlSubject,
  controlSubjectOfAll,
  keysRevokedSubject,
  liveSubject,
  proxyPeersSubject,
  taskEndedSubject,
  taskEndedSubjectOfAll,
  taskEndedSubjectOfTenant,
  workReadySubject,
} from "./bus/subjects.ts";
export { type Child, type ChildOptions, exitWhenParentCloses, spawnChild } from "./child.ts";
export { type DrainOptions, type DrainStep, drain, runUntilSignal } from "./drain.ts";
export { type CheckResult, createHealth, type Health, type Readiness } from "./health.ts";
export { opsRoutes } from "./ops-routes.ts";
export {
  createPrincipalSigner,
  type Principal,
  type PrincipalSigner,
  principalHeader,
  principalKeyCharsMin,
  servicePrincipal,
  systemTenant,
} from "./principal.ts";
export { callOptionsOf, principalOf } from "./rpc/call-context.ts";
export {
  type CallOptions,
  createServiceClient,
  type ServiceClient,
  type ServiceClientOptions,
} from "./rpc/client.ts";
export {
  createServiceTransport,
  type ServiceTransport,
  type ServiceTransportOptions,
} from "./rpc/grpc-transport.ts";
export { type HttpError, httpError, httpErrorResponse, httpStatus } from "./rpc/http-error.ts";
export { defaultRpcLimits, type RpcLimits } from "./rpc/limits.ts";
export { type ListenGrpcOptions, listenGrpc } from "./rpc/listen-grpc.ts";
export {
  type HttpServer,
  type Listener,
  type ListenHttpOptions,
  listenHttp,
} from "./rpc/listen-http.ts";
export {
  connectErrorFromWarmpath,
  errorDomain,
  publicMessageOf,
  retryAfterHeader,
} from "./rpc/rescue.ts";
export { createRpcMetrics } from "./rpc/rpc-metrics.ts";
export { createRpcServer, type RpcServer, type RpcServerOptions } from "./rpc/server.ts";
export { assertValid } from "./rpc/validate.ts";
export { withLogFields } from "./telemetry/ambient.ts";
export { attributes } from "./telemetry/attributes.ts";
export {
  type Counter,
  createMetrics,
  type Gauge,
  type Histogram,
  latencyBucketsSeconds,
  type MetricDescription,
  type MetricSpec,
  type Metrics,
  renderMetricsMarkdown,
} from "./telemetry/metrics.ts";
export {
  createTracing,
  type OpenSpan,
  type Span,
  type SpanOptions,
  type Tracing,
  type TracingOptions,
  tracingOff,
} from "./telemetry/tracing.ts";
export {
  assistantMessage,
  encodeWire,
  messageHash,
  openaiChatFormat,
  systemMessage,
  textOf,
  toolMessage,
  userMessage,
} from "./wire-message.ts";
