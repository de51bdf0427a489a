import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ToolService } from "@warmpath/proto/tool";
import type { Principal, ServiceClient } from "@warmpath/runtime";
import {
  backoffMs,
  type Clock,
  type Code,
  messageOf,
  type Random,
  WarmpathError,
} from "@warmpath/runtime/base";
import type { SpecTool } from "../agents/agent-spec.ts";
import { outcomeFromProto } from "../run/fold.ts";
import { failed, type Tool, type ToolCall, type ToolResult } from "./tool.ts";

/** A client of a user's tool service. */
export type ToolServiceClient = ServiceClient<typeof ToolService>;

/** How remote calls are made. */
export interface RemoteToolDeps {
  readonly client: ToolServiceClient;
  readonly clock: Clock;
  readonly random: Random;
  /** Tries of an idempotent call, the first included. */
  readonly triesMax: number;
}

/** Pause before a second try, in ms: a dropped connection is back by then. */
const retryBaseMs = 200;
const retryMsMax = 2_000;

/** The statuses by which a service promises that the call had no effect. */
const withoutEffect: ReadonlySet<Code> = new Set([
  "invalid_argument",
  "not_found",
  "unimplemented",
  "permission_denied",
]);

/** A tool that a user's service offers, with the promises that the spec recorded of it. */
export function createRemoteTool(
  spec: SpecTool,
  promises: { readonly idempotent: boolean; readonly reconcilable: boolean },
  deps: RemoteToolDeps,
): Tool {
  const call = (request: ToolCall) =>
    callWithRetries(spec.name, promises.idempotent, request, deps);
  return {
    name: spec.name,
    description: spec.description,
    parametersJson: spec.parametersJson,
    idempotent: promises.idempotent,
    call,
    ...(promises.reconcilable
      ? { reconcile: (request) => reconcileOnce(spec.name, request, deps) }
      : {}),
  };
}

async function callWithRetries(
  name: string,
  idempotent: boolean,
  call: ToolCall,
  deps: RemoteToolDeps,
): Promise<ToolResult> {
  for (let attempt = 0; ; attempt++) {
    const result = await callOnce(name, call, deps);
    const again = idempotent && result.outcome === "unknown" && attempt + 1 < deps.triesMax;
    if (!again || call.signal.aborted) return result;
    await deps.clock.sleep(backoffMs(attempt, retryBaseMs, retryMsMax, deps.random), call.signal);
  }
}

async function callOnce(name: string, call: ToolCall, deps: RemoteToolDeps): Promise<ToolResult> {
  try {
    const answer = await deps.client.callTool(
      {
        name,
        argumentsJson: call.argumentsJson,
        idempotencyKey: call.idempotencyKey,
        principal: principalMessage(call.principal),
        taskId: call.taskId,
        deadline: timestampFromMs(Math.round(deps.clock.nowMs() + call.timeoutMs)),
      },
      { principal: call.principal, signal: call.signal, timeoutMs: call.timeoutMs },
    );
    return { outcome: outcomeFromProto(answer.outcome), content: answer.contentJson };
  } catch (thrown) {
    const error = WarmpathError.from(thrown);
    if (withoutEffect.has(error.code)) {
      return failed(`The tool refused the call: ${error.message}`);
    }
    const content = `The tool service did not answer (${error.code}: ${error.message}). Nobody knows whether the call took effect.`;
    return { outcome: "unknown", content };
  }
}

async function reconcileOnce(
  name: string,
  call: Omit<ToolCall, "argumentsJson">,
  deps: RemoteToolDeps,
): Promise<ToolResult> {
  try {
    const answer = await deps.client.reconcileTool(
      {
        name,
        idempotencyKey: call.idempotencyKey,
        principal: principalMessage(call.principal),
      },
      { principal: call.principal, signal: call.signal, timeoutMs: call.timeoutMs },
    );
    return { outcome: outcomeFromProto(answer.outcome), content: answer.contentJson };
  } catch (thrown) {
    const content = `The tool service could not say what became of the call: ${messageOf(thrown)}`;
    return { outcome: "unknown", content };
  }
}

function principalMessage({ tenant, user, keyId, agentChain }: Principal) {
  return { tenant, user, keyId, agentChain: [...agentChain] };
}
