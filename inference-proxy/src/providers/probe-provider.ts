import { type Clock, timeoutSignal } from "@warmpath/runtime/base";
import { type ProbeLimits, probeBytesMax, probeReplica } from "../upstream/probe.ts";
import { readJson } from "../upstream/read-whole.ts";
import type {
  HostedKind,
  HostedProvider,
  ReplicaAddress,
  ReplicaFacts,
  ServedModel,
} from "../upstream/replica.ts";
import { arrayOf, isObject, numberOf, objectOf, textOf } from "./translate/index.ts";

/** How an upstream is: an engine of ours is asked everything, a provider for its list of models. */
export function probeUpstream(
  address: ReplicaAddress,
  limits: ProbeLimits,
  clock: Clock,
): Promise<ReplicaFacts> {
  const { provider } = address;
  return provider === undefined
    ? probeReplica(address, limits, clock)
    : probeProvider(address, provider, limits, clock);
}

/** Where a provider lists its models; reading it uses none of a key's tokens. */
const listPaths: Readonly<Record<HostedKind, string>> = {
  openai: "/v1/models",
  anthropic: "/v1/models?limit=1000",
  gemini: "/v1beta/models?pageSize=1000",
};

/**
 * A provider whose models are configured need not list them: any answer that is not about the key
 * or about a failure of its own shows that it is there.
 */
async function probeProvider(
  address: ReplicaAddress,
  { kind, headers, models }: HostedProvider,
  limits: ProbeLimits,
  clock: Clock,
): Promise<ReplicaFacts> {
  const timeout = timeoutSignal(clock, limits.timeoutMs);
  try {
    const listed = await fetch(`${address.baseUrl}${listPaths[kind]}`, {
      headers,
      // A redirect would carry our key to wherever it points.
      redirect: "manual",
      signal: timeout.signal,
    });
    const { status } = listed;
    if (!listed.ok) {
      await listed.body?.cancel();
    }
    if (status === 401 || status === 403) {
      throw new Error(`it does not accept our key (status ${status})`);
    }
    const isEnough = models.size > 0 && status >= 400 && status < 500;
    if (!listed.ok && !isEnough) {
      throw new Error(`its list of models answered ${status}`);
    }
    const list = listed.ok ? parseList(kind, await readJson(listed, probeBytesMax)) : [];
    return {
      kind,
      healthy: true,
      unhealthyReason: "",
      models: (models.size === 0 ? list : chosen(models, list)).slice(0, limits.modelsMax),
      isSimulated: false,
      engine: kind,
      metrics: undefined,
      metricsAtMs: 0,
    };
  } finally {
    timeout.cancel();
  }
}

/** The configured models, by our names, with what the provider says of them. */
function chosen(
  models: ReadonlyMap<string, string>,
  list: readonly ServedModel[],
): readonly ServedModel[] {
  return [...models].map(([id, theirs]) => ({
    id,
    contextTokens: list.find((model) => model.id === theirs)?.contextTokens ?? 0,
  }));
}

function parseList(kind: HostedKind, body: unknown): readonly ServedModel[] {
  const { data, models } = objectOf(body);
  return arrayOf(kind === "gemini" ? models : data)
    .filter(isObject)
    .flatMap((entry): readonly ServedModel[] => {
      const id = textOf(entry["id"]) ?? textOf(entry["name"])?.replace(/^models\//, "");
      const context = entry["inputTokenLimit"] ?? entry["max_input_tokens"];
      return id === undefined ? [] : [{ id, contextTokens: numberOf(context) ?? 0 }];
    });
}
