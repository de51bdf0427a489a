// Goal: mesh policy, routes, ingress and network policies say what the matrix says, no less and no more.
// What istiod and Envoy make of them is proven in proofs/istio. Skipped, with the reason printed, where there is no
// helm.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { chartDir, findHelm, helmMissing, renderChart } from "./helm.ts";
import { callersOf, ingressCaller, readMatrix } from "./service-table.ts";

const hasHelm = findHelm() !== undefined;
if (!hasHelm) {
  process.stdout.write(`skipped: istio.test.ts. ${helmMissing}\n`);
}
const helmTest = test.skipIf(!hasHelm);
const matrix = readMatrix();

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  // Each assertion knows the kind that it looks at.
  readonly spec: never;
}

function render(file: string, ...args: string[]): readonly Manifest[] {
  const values = join(chartDir, `values-${file}.yaml`);
  const { stdout, stderr, exitCode } = renderChart(["-n", "warmpath", "-f", values, ...args]) ?? {};
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  // Whatever helm printed; the assertions below look at each field that matters.
  return (Bun.YAML.parse(stdout ?? "") as (Manifest | null)[]).filter((each) => each !== null);
}

/** The spec of one object, in the form that the caller knows its kind to have. */
function specOf<T>(manifests: readonly Manifest[], kind: string, name: string): T {
  const found = manifests.find((each) => each.kind === kind && each.metadata.name === name);
  if (found === undefined) {
    throw new Error(`there is no ${kind} ${name}`);
  }
  return found.spec;
}

const production = hasHelm ? render("production") : [];

interface Policy {
  readonly rules?: readonly {
    readonly from: readonly [{ readonly source: { readonly principals: readonly string[] } }];
    readonly to: readonly [
      {
        readonly operation: {
          readonly ports: readonly string[];
          readonly paths: readonly string[];
          readonly methods?: readonly string[];
        };
      },
    ];
  }[];
}

/** `identity port path verbs`, one for each permission that a policy grants. */
function granted({ rules = [] }: Policy): readonly string[] {
  return rules
    .flatMap(({ from: [{ source }], to: [{ operation }] }) =>
      source.principals.flatMap((principal) =>
        operation.ports.flatMap((port) =>
          operation.paths.map((path) => [principal, port, path, operation.methods ?? ""].join(" ")),
        ),
      ),
    )
    .sort();
}

const identity = (caller: string) =>
  `cluster.local/ns/warmpath/sa/warmpath-${caller}${caller === ingressCaller ? "-istio" : ""}`;

helmTest(
  "each policy grants what the matrix grants, to exact identities of one trust domain",
  () => {
    for (const { name, http, grpc, rpcs, paths } of matrix.services) {
      const methods = Object.entries(rpcs).flatMap(([service, rpc]) =>
        Object.keys(rpc.methods).flatMap((method) =>
          callersOf(rpc, method).flatMap((caller) =>
            (caller === ingressCaller ? [grpc, http] : [grpc]).map(
              (port) => `${identity(caller)} ${port} /${service}/${method} `,
            ),
          ),
        ),
      );
      const plain = paths.flatMap(({ path, verbs, callers }) =>
        callers.map(
          (caller) => `${identity(caller)} ${http} ${path} ${[...verbs, "OPTIONS"].sort()}`,
        ),
      );
      const wanted = [...methods, ...plain].sort();
      const has = production.some(
        (each) => each.kind === "AuthorizationPolicy" && each.metadata.name === `warmpath-${name}`,
      );
      // A service that nobody may call has no policy: what denies everything is enough.
      expect([name, has]).toEqual([name, wanted.length > 0]);
      if (has) {
        const policy = specOf<Policy>(production, "AuthorizationPolicy", `warmpath-${name}`);
        expect(granted(policy)).toEqual(wanted);
      }
    }
  },
);

helmTest("whatever no policy allows is denied, and plain text is refused", () => {
  const nothing = specOf<object>(production, "AuthorizationPolicy", "warmpath-allow-nothing");
  expect(nothing).toEqual({});
  const peer = specOf<object>(production, "PeerAuthentication", "warmpath-strict");
  expect(peer).toEqual({ mtls: { mode: "STRICT" } });
});

interface Route {
  readonly name: string;
  readonly match: readonly [{ readonly uri: { readonly exact: string }; readonly port: number }];
  readonly timeout?: string;
  readonly retries: { readonly attempts: number; readonly perTryTimeout?: string };
  readonly route: readonly { readonly weight?: number }[];
}

helmTest(
  "each method that a service may call has a route, with its timeout and its retries",
  () => {
    for (const { name, grpc, rpcs } of matrix.services) {
      const wanted = Object.entries(rpcs).flatMap(([service, rpc]) =>
        Object.entries(rpc.methods)
          .filter(([method]) => callersOf(rpc, method).some((caller) => caller !== ingressCaller))
          .map(([method, { timeoutSeconds = 0, retries = 0 }]) => [
            `/${service}/${method}`,
            grpc,
            // None is written for a stream: istiod refuses 0s.
            timeoutSeconds === 0 ? undefined : `${timeoutSeconds}s`,
            retries,
          ]),
      );
      if (wanted.length === 0) {
        continue;
      }
      const { http } = specOf<{ http: Route[] }>(production, "VirtualService", `warmpath-${name}`);
      const found = http.map(({ match: [{ uri, port }], timeout, retries }) => [
        uri.exact,
        port,
        timeout,
        retries.attempts,
      ]);
      expect(found.sort()).toEqual(wanted.sort());
      for (const { timeout, retries } of http) {
        const tries = (retries.attempts + 1) * Number.parseInt(retries.perTryTimeout ?? "0", 10);
        expect(tries).toBeLessThanOrEqual(Number.parseInt(timeout ?? "0", 10));
      }
    }
  },
);

helmTest("a pod is ejected for not being reached, never for what it answers", () => {
  const rules = production.filter(
    ({ kind, metadata }) =>
      kind === "DestinationRule" &&
      matrix.services.some(({ name }) => metadata.name === `warmpath-${name}`),
  );
  // Of all that anybody calls: the workers are called by nobody.
  expect(rules.map(({ metadata }) => metadata.name).sort()).toEqual([
    "warmpath-gateway",
    "warmpath-inference-proxy",
    "warmpath-state",
  ]);
  for (const { spec } of rules) {
    expect<object>(spec).toMatchObject({
      trafficPolicy: {
        tls: { mode: "ISTIO_MUTUAL" },
        outlierDetection: {
          consecutive5xxErrors: 0,
          consecutiveGatewayErrors: 0,
          splitExternalLocalOriginErrors: true,
          consecutiveLocalOriginFailures: 5,
          maxEjectionPercent: 50,
        },
      },
    });
  }
});

helmTest("a proxy knows the callees of its service by exact name, and nothing else", () => {
  const hostsOf = (name: string) =>
    specOf<{ egress: { hosts: string[] }[] }>(production, "Sidecar", `warmpath-${name}`).egress[0]
      ?.hosts;
  const service = (name: string) => `warmpath/warmpath-${name}.warmpath.svc.cluster.local`;
  expect(hostsOf("gateway")).toEqual([
    service("state"),
    "databases/nats.databases.svc.cluster.local",
    "observability/otel-collector.observability.svc.cluster.local",
  ]);
  expect(hostsOf("inference-proxy")).toContain("warmpath/api.openai.com");
  expect(hostsOf("orchestrator")).not.toContain("warmpath/api.openai.com");
  expect(hostsOf("default")).toEqual(["~/*"]);
  for (const { kind, spec } of production.filter((each) => each.kind === "Sidecar")) {
    expect<object>([kind, spec]).toMatchObject([
      kind,
      { outboundTrafficPolicy: { mode: "REGISTRY_ONLY" } },
    ]);
  }
});

helmTest(
  "engines are plain TCP to the mesh, each pod at its own address, for the proxy alone",
  () => {
    const files = ["-f", join(chartDir, "values-multi-gpu.yaml")];
    const manifests = render("production", ...files);
    const engines = manifests.filter(
      ({ kind, metadata }) => kind === "Service" && metadata.name.startsWith("warmpath-vllm-"),
    );
    expect(engines.length).toBeGreaterThan(0);
    for (const { metadata, spec } of engines) {
      const { clusterIP, ports } = spec as { clusterIP: string; ports: { appProtocol: string }[] };
      expect(clusterIP).toBe("None");
      expect(ports.map(({ appProtocol }) => appProtocol)).toEqual(ports.map(() => "tcp"));
      const rule = specOf<object>(manifests, "DestinationRule", metadata.name);
      expect(rule).toMatchObject({ trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } } });
      expect(rule).not.toMatchObject({ trafficPolicy: { outlierDetection: expect.anything() } });
    }
    expect<object>(specOf(manifests, "AuthorizationPolicy", "warmpath-vllm")).toMatchObject({
      rules: [{ from: [{ source: { principals: [identity("inference-proxy")] } }] }],
    });
  },
);

interface IngressRoute {
  readonly rules: readonly {
    readonly timeouts?: { readonly request: string };
    readonly retry?: object;
    readonly matches: readonly {
      readonly path?: { readonly value: string };
      readonly method?: { readonly service: string; readonly method: string };
    }[];
    readonly backendRefs: readonly { readonly port: number; readonly weight: number }[];
  }[];
}

helmTest(
  "clients reach what the matrix opens to them, over HTTP and over gRPC, without retries",
  () => {
    for (const { name, http, grpc, rpcs, paths } of matrix.services.filter((row) => row.public)) {
      const methods = Object.entries(rpcs).flatMap(([service, rpc]) =>
        Object.entries(rpc.methods)
          .filter(([method]) => callersOf(rpc, method).includes(ingressCaller))
          .map(([method, { timeoutSeconds = 0 }]) => [`/${service}/${method}`, timeoutSeconds]),
      );
      const plain = paths.map(({ path, timeoutSeconds = 0 }) => [
        path.replace(/\*$/, ""),
        timeoutSeconds,
      ]);
      const web = specOf<IngressRoute>(production, "HTTPRoute", `warmpath-${name}`);
      const found = web.rules.flatMap(({ matches, timeouts, retry, backendRefs }) => {
        expect([retry, backendRefs.map(({ port }) => port)]).toEqual([undefined, [http]]);
        return matches.map(({ path }) => [
          path?.value,
          Number.parseInt(timeouts?.request ?? "", 10),
        ]);
      });
      expect(found.sort()).toEqual([...methods, ...plain].sort());
      const native = specOf<IngressRoute>(production, "GRPCRoute", `warmpath-${name}-grpc`);
      const called = native.rules.flatMap(({ matches, backendRefs }) => {
        expect(backendRefs.map(({ port }) => port)).toEqual([grpc]);
        return matches.map(({ method }) => `/${method?.service}/${method?.method}`);
      });
      expect(called.sort()).toEqual(methods.map(([path]) => String(path)).sort());
    }
  },
);

interface Cors {
  readonly allowOrigins: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
}

helmTest("pages of listed origins may send and read what Connect and gRPC-Web need", () => {
  const routes = production.filter(({ kind }) => kind === "HTTPRoute");
  expect(routes).toHaveLength(2);
  for (const { spec } of routes) {
    const { rules } = spec as { rules: { filters: [{ type: string; cors: Cors }] }[] };
    for (const { filters } of rules) {
      const [{ type, cors }] = filters;
      expect([type, cors.allowOrigins]).toEqual(["CORS", ["https://app.example.com"]]);
      const may = cors.allowHeaders.map((name) => name.toLowerCase());
      const needs = ["content-type", "connect-protocol-version", "connect-timeout-ms"];
      const web = ["grpc-timeout", "x-grpc-web", "x-user-agent", "authorization"];
      expect([...needs, ...web].filter((name) => !may.includes(name))).toEqual([]);
      const shown = ["Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin"];
      expect(shown.filter((name) => !cors.exposeHeaders.includes(name))).toEqual([]);
    }
  }
});

helmTest(
  "a canary gets its share of calls from services and from clients, and pods of its own",
  () => {
    const set = "canary.inference-proxy.enabled=true,canary.inference-proxy.weight=10";
    const tag = "canary.inference-proxy.tag=0.2.0";
    const manifests = render("production", "--set", `${set},${tag}`);
    const { http } = specOf<{ http: Route[] }>(
      manifests,
      "VirtualService",
      "warmpath-inference-proxy",
    );
    for (const { route } of http) {
      expect(route.map(({ weight }) => weight)).toEqual([90, 10]);
    }
    const ingress = specOf<IngressRoute>(manifests, "HTTPRoute", "warmpath-inference-proxy");
    for (const { backendRefs } of ingress.rules) {
      expect(backendRefs.map(({ weight }) => weight)).toEqual([90, 10]);
    }
    for (const [name, track] of [
      ["warmpath-inference-proxy", "stable"],
      ["warmpath-inference-proxy-canary", "canary"],
    ] as const) {
      const mark = { "warmpath/track": track };
      expect<object>(specOf(manifests, "Service", name)).toMatchObject({ selector: mark });
      expect<object>(specOf(manifests, "Deployment", name)).toMatchObject({
        selector: { matchLabels: mark },
        template: { metadata: { labels: mark } },
      });
    }
  },
);

interface Peers {
  readonly ingress?: readonly { readonly ports: readonly { readonly port: number }[] }[];
  readonly egress?: readonly { readonly ports: readonly { readonly port: number }[] }[];
}

helmTest(
  "network policies let pods hear their callers and speak to their callees and stores",
  () => {
    expect<object>(specOf(production, "NetworkPolicy", "warmpath-deny")).toMatchObject({
      policyTypes: ["Ingress", "Egress"],
    });
    const portsOf = (name: string, way: "ingress" | "egress") =>
      (specOf<Peers>(production, "NetworkPolicy", `warmpath-${name}`)[way] ?? [])
        .flatMap(({ ports }) => ports.map(({ port }) => port))
        .sort();
    // 15020: Prometheus at the agent. 4317: the collector. 443: hosted providers.
    expect(portsOf("gateway", "ingress")).toEqual([15020, 8700, 8701]);
    expect(portsOf("gateway", "egress")).toEqual([4222, 4317, 8731]);
    expect(portsOf("orchestrator", "ingress")).toEqual([15020]);
    expect(portsOf("orchestrator", "egress")).toEqual([4222, 4317, 5432, 6379, 8711, 8731]);
    expect(portsOf("state", "ingress")).toEqual([15020, 8731, 8731, 8731]);
    expect(portsOf("state", "egress")).toEqual([4222, 4317, 5432, 6379]);
    expect(portsOf("inference-proxy", "egress")).toContain(443);
    // Istio deploys the gateway's pods; they carry what the policies go by.
    expect(portsOf("ingress", "ingress")).toEqual([15020, 15021, 443]);
    expect(portsOf("ingress", "egress")).toEqual([4317, 8700, 8701, 8710, 8711]);
    expect<object>(specOf(production, "Gateway", "warmpath-ingress")).toMatchObject({
      infrastructure: {
        labels: {
          "app.kubernetes.io/name": "ingress",
          "app.kubernetes.io/instance": "warmpath",
          "app.kubernetes.io/part-of": "warmpath",
        },
      },
    });
  },
);

helmTest("in ambient mode the waypoint enforces, and no sidecar is asked for", () => {
  const manifests = render("ambient");
  const kinds = new Set(manifests.map(({ kind }) => kind));
  expect([kinds.has("Sidecar"), kinds.has("VirtualService")]).toEqual([false, false]);
  expect<object>(specOf(manifests, "Gateway", "warmpath-waypoint")).toMatchObject({
    gatewayClassName: "istio-waypoint",
  });
  expect<object>(specOf(manifests, "AuthorizationPolicy", "warmpath-state")).toMatchObject({
    targetRefs: [{ kind: "Service", name: "warmpath-state" }],
  });
  for (const { kind, metadata, spec } of manifests) {
    if (kind === "Service") {
      expect(metadata.labels["istio.io/use-waypoint"]).toBe("warmpath-waypoint");
    } else if (kind === "Deployment") {
      const { template } = spec as { template: { metadata: { labels: object } } };
      expect(template.metadata.labels).toMatchObject({ "istio.io/dataplane-mode": "ambient" });
    }
  }
});

helmTest(
  "in ambient mode a method of clients alone has its route too, or it would be a 404",
  () => {
    const route = specOf(render("ambient"), "HTTPRoute", "warmpath-inference-proxy-mesh");
    expect(JSON.stringify(route)).toContain("/warmpath.inference.v1.InferenceService/ListModels");
  },
);
