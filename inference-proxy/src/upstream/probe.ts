import { type Clock, messageOf, timeoutSignal } from "@warmpath/runtime/base";
import { parseEngineMetrics } from "./prometheus.ts";
import { readJson, readText } from "./read-whole.ts";
import {
  headersFor,
  type ReplicaAddress,
  type ReplicaFacts,
  type ServedModel,
  type UpstreamKind,
} from "./replica.ts";

/** What one probe may cost. */
export interface ProbeLimits {
  readonly timeoutMs: number;
  readonly modelsMax: number;
}

/**
 * Largest answer to a probe: the longest lists of models have 2 MB, metrics of eight ranks 4 MB. An
 * upstream that answers with more is not one that can be used.
 */
export const probeBytesMax = 8 * 1024 * 1024;

/**
 * Asks one upstream everything: its models (which any OpenAI-compatible server answers), and of a
 * vLLM also its version, health and metrics. Throws when it does not answer, or says that it is not
 * well.
 */
export async function probeReplica(
  address: ReplicaAddress,
  limits: ProbeLimits,
  clock: Clock,
): Promise<ReplicaFacts> {
  const timeout = timeoutSignal(clock, limits.timeoutMs);
  const get = (path: string) =>
    fetch(`${address.baseUrl}${path}`, {
      headers: headersFor(address),
      redirect: "manual",
      signal: timeout.signal,
    });
  try {
    const listed = await get("/v1/models");
    if (!listed.ok) {
      await listed.body?.cancel();
      throw new Error(`GET /v1/models answered ${listed.status}`);
    }
    const { models, owners } = parseModels(await readJson(listed, probeBytesMax), limits.modelsMax);
    const version = await readVersion(get);
    const kind = kindOf(owners, version);
    const base = {
      kind,
      healthy: true,
      unhealthyReason: "",
      models,
      isSimulated: version.isSimulated || owners.has("warmpath-simulated"),
      engine: version.version === "" ? kind : `${kind} ${version.version}`,
    };
    if (kind !== "vllm") {
      return { ...base, engine: "", metrics: undefined, metricsAtMs: 0 };
    }
    const [health, page] = await Promise.all([get("/health"), get("/metrics")]);
    await health.body?.cancel();
    if (!health.ok) {
      await page.body?.cancel();
      throw new Error(`GET /health answered ${health.status}`);
    }
    const text = page.ok ? await readText(page, probeBytesMax) : "";
    const metrics = parseEngineMetrics(text, address.rank);
    return { ...base, metrics, metricsAtMs: clock.monotonicMs() };
  } finally {
    timeout.cancel();
  }
}

/** One sentence for people about a probe or request that failed to reach its upstream. */
export function unreachableReason(error: unknown): string {
  // Bun adds a question to the code of a refused connection; the code says it all.
  return `it cannot be reached: ${messageOf(error).replace(/^(E[A-Z]+): .*/s, "$1")}`;
}

interface Version {
  readonly version: string;
  readonly isSimulated: boolean;
}

/** vLLM answers `/version`; others mostly do not, and that is fine. */
async function readVersion(get: (path: string) => Promise<Response>): Promise<Version> {
  const answered = await get("/version");
  const text = await readText(answered, probeBytesMax);
  if (!answered.ok || !(answered.headers.get("content-type") ?? "").includes("json")) {
    return { version: "", isSimulated: false };
  }
  try {
    const body: unknown = JSON.parse(text);
    return {
      version: stringAt(body, "version") ?? "",
      isSimulated: fieldOf(body, "simulated") === true,
    };
  } catch {
    // Some other server's page under this name: it has no version for us.
    return { version: "", isSimulated: false };
  }
}

function kindOf(owners: ReadonlySet<string>, version: Version): UpstreamKind {
  const isVllm = owners.has("vllm") || owners.has("warmpath-simulated") || version.version !== "";
  return isVllm ? "vllm" : "openai";
}

function parseModels(
  body: unknown,
  modelsMax: number,
): { models: readonly ServedModel[]; owners: ReadonlySet<string> } {
  const data = fieldOf(body, "data");
  const models: ServedModel[] = [];
  const owners = new Set<string>();
  // A server without models (Ollama before its first pull) answers null.
  for (const entry of Array.isArray(data) ? data.slice(0, modelsMax) : []) {
    const id = stringAt(entry, "id");
    if (id !== undefined) {
      const length = fieldOf(entry, "max_model_len");
      // vLLM names the base model of an adapter, and nothing for a base model.
      const isAdapter = stringAt(entry, "parent") !== undefined;
      models.push({
        id,
        contextTokens: typeof length === "number" ? length : 0,
        ...(isAdapter ? { isAdapter } : {}),
      });
      owners.add(stringAt(entry, "owned_by") ?? "");
    }
  }
  return { models, owners };
}

function fieldOf(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? // Object.hasOwn has just said that the key is there.
      (value as Record<string, unknown>)[key]
    : undefined;
}

function stringAt(value: unknown, key: string): string | undefined {
  const found = fieldOf(value, key);
  return typeof found === "string" ? found : undefined;
}
