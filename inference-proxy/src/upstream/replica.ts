import { WarmpathError } from "@warmpath/runtime/base";
import type { Origin } from "@warmpath/runtime/http1";
import type { EngineMetrics } from "./prometheus.ts";

/** How an upstream is reached; fixed for the life of the process but for {@link PodPlace}. */
export interface ReplicaAddress {
  /** Host and port (and path, if any): what logs, metrics and headers call it. */
  readonly name: string;
  /** Without credentials, a trailing slash or `/v1`. */
  readonly baseUrl: string;
  /** Where to connect; undefined for an upstream behind TLS, which is `fetch`'s to reach. */
  readonly origin: Origin | undefined;
  /** What stands before every path, without a trailing slash; mostly empty. */
  readonly pathPrefix: string;
  /** The `authorization` header it wants; never logged. */
  readonly authorization: string | undefined;
  /** The data-parallel rank that it is, where several are behind one address. */
  readonly rank?: number | undefined;
  /** Set for a hosted provider, which is paid by the token. */
  readonly provider?: HostedProvider | undefined;
  /** Set where pods behind a DNS name come and go. */
  readonly pod?: PodPlace | undefined;
}

/**
 * A place for one of the pods that a DNS name leads to. Places have names of their own, so that
 * metrics do not grow with every pod that ever was, and placement counts by places as ever.
 */
export interface PodPlace {
  /** The name that is looked up, with its port; also what the host header says. */
  readonly host: string;
  /** Address of the pod that has the place; undefined while nobody has it. */
  readonly ip: string | undefined;
}

/** A provider whose API is reached with a key of ours. */
export interface HostedProvider {
  readonly kind: HostedKind;
  /** The key itself, to keep it out of what the provider says; never logged. */
  readonly key: string;
  /** Headers with the key; never logged. */
  readonly headers: Readonly<Record<string, string>>;
  /** The models to use, by our names for them; empty takes all that the provider lists. */
  readonly models: ReadonlyMap<string, string>;
  /** Requests that may be there at once; undefined: as many as at any replica. */
  readonly inFlightMax: number | undefined;
}

/** Whose API a hosted provider speaks. */
export type HostedKind = "openai" | "anthropic" | "gemini";

/**
 * What it speaks: vLLM understands `cache_salt` and shows metrics, `openai` is any other server of
 * OpenAI's API.
 */
export type UpstreamKind = "vllm" | HostedKind;

/** A model that an upstream serves. */
export interface ServedModel {
  readonly id: string;
  /** Longest prompt and answer together; 0 when unknown. */
  readonly contextTokens: number;
  /** A LoRA adapter upon another of its models; absent: it is not. */
  readonly isAdapter?: true;
}

/** What the last probes said. */
export interface ReplicaFacts {
  readonly kind: UpstreamKind;
  readonly healthy: boolean;
  /** One sentence; empty while healthy. */
  readonly unhealthyReason: string;
  readonly models: readonly ServedModel[];
  readonly isSimulated: boolean;
  /** Such as "vllm 0.32.0"; empty when it does not say. */
  readonly engine: string;
  readonly metrics: EngineMetrics | undefined;
  /** When the metrics were read, on the monotonic clock. */
  readonly metricsAtMs: number;
}

/** Before the first probe. */
export const unprobed: ReplicaFacts = {
  kind: "openai",
  healthy: false,
  unhealthyReason: "it has not answered yet",
  models: [],
  isSimulated: false,
  engine: "",
  metrics: undefined,
  metricsAtMs: 0,
};

/** Reads addresses; credentials in a URL become a header and leave the text. */
export function parseReplicaAddresses(
  urls: readonly string[],
  apiKey: string | undefined,
): readonly ReplicaAddress[] {
  return uniquelyNamed(urls.map((url) => parseReplicaAddress(url, apiKey)));
}

/** True for a place that no pod has: there is nothing to ask, and nothing to show. */
export function isVacant({ pod }: ReplicaAddress): boolean {
  return pod !== undefined && pod.ip === undefined;
}

/** The headers that go with whatever is asked of an upstream. */
export function headersFor({ authorization, pod }: ReplicaAddress): Record<string, string> {
  return {
    ...(authorization === undefined ? {} : { authorization }),
    // A mesh tells by the name where the request may go; an address alone is nobody's to it.
    ...(pod === undefined ? {} : { host: pod.host }),
  };
}

/** The same addresses; throws `rejected-config` when two have one name. */
export function uniquelyNamed(addresses: readonly ReplicaAddress[]): readonly ReplicaAddress[] {
  const names = new Set(addresses.map(({ name }) => name));
  if (names.size !== addresses.length) {
    throw new WarmpathError("rejected-config", "an upstream is listed twice");
  }
  return addresses;
}

/** One of them. */
export function parseReplicaAddress(text: string, apiKey: string | undefined): ReplicaAddress {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    // The text may hold a password: it is not repeated.
    throw new WarmpathError("rejected-config", "an upstream is not an http or https URL");
  }
  const path = url.pathname.replace(/\/+$/, "").replace(/\/v1$/, "");
  const basic =
    url.username === ""
      ? undefined
      : `Basic ${btoa(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`)}`;
  return {
    name: `${url.host}${path}`,
    baseUrl: `${url.protocol}//${url.host}${path}`,
    origin:
      url.protocol === "http:"
        ? { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port || 80) }
        : undefined,
    pathPrefix: path,
    authorization: basic ?? (apiKey === undefined ? undefined : `Bearer ${apiKey}`),
  };
}
