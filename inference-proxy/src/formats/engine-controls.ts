import type { FieldsView } from "@warmpath/runtime/http1";

/*
 * Engines take orders from whoever writes to them: where a request runs, before whom, and under
 * which id. Those orders are the proxy's to give. What a caller may not use is taken out and named
 * in a response header; nothing else of its request is touched.
 */

/** Headers that steer a vLLM; no other header of a client reaches an engine at all. */
const controlHeaders = ["x-data-parallel-rank", "x-vllm-priority", "x-session-id"] as const;

/**
 * Body members that steer an engine: those of vLLM, NVIDIA Dynamo, SGLang and TensorRT-LLM.
 * `cache_salt` is not among them: it is never passed as it is, whoever sends it.
 */
const controlMembers: ReadonlySet<string> = new Set([
  "priority",
  "request_id",
  "session_id",
  "kv_transfer_params",
  "ec_transfer_params",
  "vllm_xargs",
  "nvext",
  "rid",
  "extra_key",
  "session_params",
  "data_parallel_rank",
  "routed_dp_rank",
  "disagg_prefill_dp_rank",
  "disaggregated_params",
  "bootstrap_host",
  "bootstrap_port",
  "bootstrap_room",
]);

/** Who may use what. */
export interface ControlPolicy {
  /** Names that every key may use, in lower case. */
  readonly allowed: ReadonlySet<string>;
  /** Tenants whose keys may use everything. */
  readonly tenants: ReadonlySet<string>;
}

/** Reads the settings of the policy. */
export function parseControlPolicy(settings: {
  readonly engineControls: readonly string[];
  readonly engineControlTenants: readonly string[];
}): ControlPolicy {
  return {
    allowed: new Set(settings.engineControls.map((name) => name.toLowerCase())),
    tenants: new Set(settings.engineControlTenants),
  };
}

/** The members of a request's body, however it was read. */
export interface BodyMembers {
  /** In the body's order, duplicates included. */
  readonly members: readonly { readonly name: string }[];
  has(name: string): boolean;
  read(name: string): unknown;
}

/** What becomes of the controls in one request. */
export interface Controls {
  /** Body members to take out. */
  readonly removed: readonly string[];
  /** Headers to send to an engine; undefined when there are none, as nearly always. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** Everything that was taken away, for the client to know. */
  readonly dropped: readonly string[];
}

/** No request is without controls more often than not: one value for all of those. */
const none: Controls = { removed: [], headers: undefined, dropped: [] };

/** Decides about the controls in a request; `tenant` is the caller's. */
export function decideControls(
  policy: ControlPolicy,
  tenant: string,
  request: { readonly headers: FieldsView; readonly body: BodyMembers },
): Controls {
  const members = namesOf(request.body);
  const headers = controlHeaders.filter((name) => request.headers.has(name));
  if (members.length === 0 && headers.length === 0) {
    return none;
  }
  const passesAll = policy.tenants.has(tenant);
  const mayPass = (name: string) => passesAll || policy.allowed.has(name);
  const removed = members.filter(
    (name) => !mayPass(name) && !isHarmless(name, request.body.read(name)),
  );
  const passed = headers.filter(mayPass);
  const sent = passed.map((name) => [name, request.headers.get(name) ?? ""]);
  return {
    removed,
    headers: passed.length === 0 ? undefined : Object.fromEntries(sent),
    // A session's id is read here, and so not lost on us.
    dropped: [...removed, ...headers.filter((name) => !mayPass(name))].filter(
      (name) => name !== "x-session-id" && name !== "session_id",
    ),
  };
}

/** The controls among a body's members, each once. */
function namesOf({ members }: BodyMembers): readonly string[] {
  let found: Set<string> | undefined;
  for (const { name } of members) {
    if (controlMembers.has(name)) {
      found ??= new Set();
      found.add(name);
    }
  }
  return found === undefined ? noNames : [...found];
}

const noNames: readonly string[] = [];

/**
 * A priority that only lowers its request passes: a lower number is served earlier, and requests
 * that state none have 0. Text is none of these, since engines read numbers out of it.
 */
function isHarmless(name: string, value: unknown): boolean {
  return value === null || (name === "priority" && typeof value === "number" && value >= 0);
}
