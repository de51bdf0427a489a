import { InferenceService } from "@warmpath/proto/inference";
import { KeyService } from "@warmpath/proto/state";
import {
  type Bus,
  createMemoryBus,
  createMetrics,
  createRpcServer,
  createServiceClient,
  type Metrics,
  type ServiceClient,
  type Tracing,
  tracingOff,
} from "@warmpath/runtime";
import {
  type Clock,
  type Logger,
  loadConfig,
  seededRandom,
  silentLogger,
  systemClock,
  WarmpathError,
} from "@warmpath/runtime/base";
import { createTestSigner } from "@warmpath/runtime/testing";
import type { AnswerVault } from "../answer-cache/index.ts";
import { type InferenceProxyConfig, inferenceProxyOptions } from "../config.ts";
import { type InferenceProxy, startInferenceProxy } from "../main.ts";
import type { LimitStore } from "../pace/index.ts";
import type { LookUp } from "../upstream/follow-pods.ts";

/** A whole proxy over sockets, in front of engines that the test owns. */
export interface TestProxy {
  readonly url: string;
  readonly proxy: InferenceProxy;
  readonly bus: Bus;
  readonly metrics: Metrics;
  /** Its InferenceService, in this process. */
  readonly inference: ServiceClient<typeof InferenceService>;
  /** Keys that are valid now, and their requests per minute: all are one tenant's but one. */
  readonly keys: Map<string, number>;
  /** Look-ups that reached the key service; while `held` is set, they wait for it to answer. */
  readonly lookUps: { count: number; held?: Promise<void> | undefined };
  /** Posts JSON with a valid key. */
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

/** A key that every test proxy accepts. */
export const testKey = "wp-test-key";

/** A key that is another tenant's once it is put among the valid ones. */
export const otherTenantKey = "wp-other-tenant-key";

/** Starts a proxy with the default settings but for those given; probes run every 20 ms. */
export async function startTestProxy(
  engines: readonly { readonly url: string }[],
  given: Partial<InferenceProxyConfig> = {},
  options: {
    readonly log?: Logger;
    readonly clock?: Clock;
    readonly tracing?: Tracing;
    /** Environment variables that hold keys of hosted providers. */
    readonly secrets?: Readonly<Record<string, string>>;
    /** Where it shares its limits with others. */
    readonly limitStore?: LimitStore;
    /** Answers that it shares with others. */
    readonly answerVault?: AnswerVault;
    /** Where it tells others what it has booked. */
    readonly peerBus?: Bus;
    /** How names of upstreams are looked up. */
    readonly lookUp?: LookUp;
  } = {},
): Promise<TestProxy> {
  const { log = silentLogger, clock = systemClock, tracing = tracingOff } = options;
  const keys = new Map([[testKey, 0]]);
  const lookUps: TestProxy["lookUps"] = { count: 0 };
  const signer = createTestSigner();
  const metrics = createMetrics("inference-proxy");
  const bus = createMemoryBus();
  const proxy = await startInferenceProxy({
    config: {
      ...loadConfig(inferenceProxyOptions, { env: {} }),
      upstreams: engines.map(({ url }) => url),
      probeIntervalMs: 20,
      ...given,
    },
    http: { host: "127.0.0.1", port: 0 },
    grpc: { host: "127.0.0.1", port: 0 },
    keys: createServiceClient(KeyService, keyServer(keys, lookUps, clock).transport(), {
      signer,
      tracing: tracingOff,
      timeoutMs: 1000,
    }),
    bus,
    signer,
    metrics,
    tracing,
    log,
    clock,
    random: seededRandom(1),
    secrets: {
      variable: (name) => options.secrets?.[name],
      file: () => {
        throw new Error("a test has no files");
      },
    },
    fetchLimit: "65336",
    limitStore: options.limitStore,
    answerVault: options.answerVault,
    peerBus: options.peerBus,
    lookUp: options.lookUp,
  });
  const url = `http://127.0.0.1:${proxy.httpPort}`;
  return {
    url,
    proxy,
    bus,
    metrics,
    keys,
    lookUps,
    inference: createServiceClient(InferenceService, proxy.rpc.transport(), {
      signer,
      tracing: tracingOff,
      timeoutMs: 5000,
    }),
    post: (path, body, init) =>
      fetch(`${url}${path}`, {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body),
        ...init,
        headers: {
          "content-type": "application/json",
          authorization: `Bearer ${testKey}`,
          ...(init?.headers instanceof Headers || Array.isArray(init?.headers)
            ? {}
            : init?.headers),
        },
      }),
    close: async () => {
      await proxy.close(100);
      await bus.close();
    },
  };
}

function keyServer(keys: ReadonlyMap<string, number>, lookUps: TestProxy["lookUps"], clock: Clock) {
  return createRpcServer({
    service: "state",
    signer: createTestSigner(),
    metrics: createMetrics("state"),
    tracing: tracingOff,
    log: silentLogger,
    clock,
    routes: (router) => {
      router.service(KeyService, {
        lookUpKey: async ({ secretHash }) => {
          lookUps.count += 1;
          const asked = Buffer.from(secretHash).toString("hex");
          const found = [...keys].find(
            ([secret]) => new Bun.CryptoHasher("sha256").update(secret).digest("hex") === asked,
          );
          await lookUps.held;
          if (found !== undefined) {
            const limits = { requestsPerMinute: found[1] };
            const tenant = found[0] === otherTenantKey ? "globex" : "acme";
            return { key: { keyId: "key_test", tenant, user: "alice", limits } };
          }
          throw new WarmpathError("rejected-not-found", "no such key");
        },
      });
    },
  });
}
