import { create } from "@bufbuild/protobuf";
import { StartedSchema } from "@warmpath/proto/log";
import { messageHash, systemMessage } from "@warmpath/runtime";
import { WarmpathError } from "@warmpath/runtime/base";
import { type AgentSpec, bytesFromSpec, specFromBytes } from "../agents/agent-spec.ts";
import { eventOf } from "./recorder.ts";
import type { Run } from "./run.ts";

/** What starting stands on. */
export interface StartDeps {
  readonly specOf: (agent: string) => AgentSpec | undefined;
}

/** Thrown when this worker does not know the agent: another may, so the task is handed back. */
export class AgentUnknownHere extends Error {}

/**
 * Brings a run to where it can step: a new one pins its agent's spec and the conversation before
 * it; one begun earlier reads its pinned spec back, whatever the agent's file says by now.
 */
export async function startRun(run: Run, deps: StartDeps): Promise<void> {
  const { specHash } = run.recorder.state;
  if (specHash) {
    const bytes = await run.taskLog.blob(run.ref.tenant, specHash);
    if (!bytes) {
      throw new WarmpathError("failed-data-loss", "the agent's pinned specification is missing");
    }
    run.pin(specFromBytes(bytes));
    return;
  }
  const { tenant, user, threadId, agent } = run.task;
  const spec = deps.specOf(agent);
  if (!spec) throw new AgentUnknownHere(`this worker does not know the agent ${agent}`);
  const system = systemMessage(spec.systemPrompt);
  const systemHash = messageHash(system);
  const [agentSpecHash, history] = await Promise.all([
    run.taskLog.putBlob(tenant, bytesFromSpec(spec)),
    threadId === "" ? [] : run.taskLog.conversation(tenant, user, threadId),
  ]);
  const value = create(StartedSchema, {
    agentSpecHash,
    historyHashes: [systemHash, ...history],
  });
  run.pin(spec);
  await run.recorder.record("started", {
    events: [eventOf({ case: "started", value })],
    messages: [{ hash: systemHash, message: system }],
  });
}
