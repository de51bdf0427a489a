import type { Matrix } from "./service-table.ts";

/** The keys that each level of matrix.yaml has; `paths.*` is each row of paths. */
const keysOf = {
  matrix: ["protocols", "retryOn", "services", "everywhere", "outside", "waits"],
  service: [
    "name",
    "account",
    "about",
    "args",
    "http",
    "grpc",
    "public",
    "calls",
    "stores",
    "secrets",
    "settings",
    "optional",
    "keys",
    "egress",
    "rpcs",
    "paths",
  ],
  rpc: ["callers", "methods"],
  method: ["stream", "idempotent", "timeoutSeconds", "retries", "callers"],
  path: ["path", "verbs", "callers", "stream", "timeoutSeconds"],
  outside: ["ports", "rpcs"],
  wait: ["service", "settings", "below"],
} as const;

/** What Istio takes for HTTP/2; a port declared as anything else speaks HTTP/1.1 upstream. */
const http2Protocols = ["grpc", "http2", "kubernetes.io/h2c"];

/**
 * Why a call may be tried again at all: it reached nobody, or the pod said that it cannot serve.
 * `5xx` and `gateway-error` would also repeat what a busy pod has just refused.
 */
const retryReasons = ["connect-failure", "refused-stream", "reset-before-request", "unavailable"];

/**
 * What a table of this form cannot mean: a misspelt key, which would be passed over unseen, two
 * rows of one name, identity or port, and callers where nothing is rendered for them.
 */
export function shapeFaults(matrix: Matrix): readonly string[] {
  const { services, everywhere, protocols, retryOn } = matrix;
  const open = Object.entries(everywhere).flatMap(([service, { callers, methods }]) =>
    [callers, ...Object.values(methods).map((method) => method.callers ?? [])]
      .flat()
      .map((caller) => `${service}: ${caller} may call it, and no policy is made of this part`),
  );
  return [
    ...keyFaults(matrix),
    ...twice(
      "name",
      services.map(({ name }) => name),
    ),
    ...twice(
      "service account",
      services.map(({ account }) => account),
    ),
    ...twice(
      "port",
      services.flatMap(({ http, grpc }) => [String(http), String(grpc)]),
    ),
    ...twice(
      "proto service",
      services.flatMap(({ rpcs }) => Object.keys(rpcs)),
    ),
    ...open,
    ...(http2Protocols.includes(protocols.grpc) ? [] : [`gRPC is declared as ${protocols.grpc}`]),
    ...(http2Protocols.includes(protocols.http) ? ["HTTP/1.1 is declared as HTTP/2"] : []),
    ...retryOn
      .split(",")
      .filter((reason) => !retryReasons.includes(reason))
      .map((reason) => `${reason} is no reason to try again`),
  ];
}

function keyFaults(matrix: Matrix): readonly string[] {
  const outside = Object.values(matrix.outside);
  const rpcs = [
    ...matrix.services.flatMap((row) => Object.values(row.rpcs)),
    ...Object.values(matrix.everywhere),
    ...outside.flatMap((row) => Object.values(row.rpcs ?? {})),
  ];
  const levels: readonly [keyof typeof keysOf, readonly object[]][] = [
    ["matrix", [matrix]],
    ["service", matrix.services],
    ["rpc", rpcs],
    ["method", rpcs.flatMap(({ methods }) => Object.values(methods))],
    ["path", matrix.services.flatMap(({ paths }) => paths)],
    ["outside", outside],
    ["wait", matrix.waits],
  ];
  return levels.flatMap(([level, objects]) =>
    objects.flatMap((each) =>
      Object.keys(each)
        .filter((key) => !keysOf[level].some((known) => known === key))
        .map((key) => `a ${level} has no ${key}`),
    ),
  );
}

function twice(what: string, values: readonly string[]): readonly string[] {
  const more = values.filter((value, at) => values.indexOf(value) !== at);
  return more.map((value) => `the ${what} ${value} is there twice`);
}
