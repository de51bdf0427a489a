import {
  createMemoryBus,
  createMetrics,
  createPrincipalSigner,
  tracingOff,
} from "@warmpath/runtime";
import { loadConfig, silentLogger, systemClock } from "@warmpath/runtime/base";
import { gatewayOptions } from "../config.ts";
import { startGateway } from "../main.ts";
import { createFakeState } from "./fake-state.ts";

/**
 * A whole gateway on free ports over a fake state, with one key per tenant: `key-acme` and
 * `key-other`.
 */
export async function startTestGateway(env: Record<string, string> = {}) {
  const bus = createMemoryBus({ log: silentLogger });
  const signer = createPrincipalSigner(["a signing key for tests"], systemClock);
  const state = createFakeState(bus, signer);
  state.addKey("key-acme", { keyId: "key_1", tenant: "acme" });
  state.addKey("key-other", { keyId: "key_2", tenant: "other" });
  const metrics = createMetrics("gateway");
  const gateway = await startGateway({
    config: loadConfig(gatewayOptions, { env }),
    http: { host: "127.0.0.1", port: 0 },
    grpc: { host: "127.0.0.1", port: 0 },
    state: state.transport,
    bus,
    signer,
    log: silentLogger,
    metrics,
    tracing: tracingOff,
    clock: systemClock,
  });
  const url = `http://127.0.0.1:${gateway.httpPort}`;
  return {
    state,
    bus,
    metrics,
    gateway,
    url,
    /** A JSON call with the first tenant's key, unless `headers` says otherwise. */
    post: (path: string, body: unknown, headers: Record<string, string> = {}) =>
      fetch(url + path, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          authorization: "Bearer key-acme",
          ...headers,
        },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    close: () => gateway.close(200),
  };
}
