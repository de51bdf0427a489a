import type { RegisteredAgent } from "@warmpath/proto/state";
import type { Principal } from "@warmpath/runtime";
import { type Clock, WarmpathError } from "@warmpath/runtime/base";

/** What is known of the agents that workers offer now. */
export interface Agents {
  list(principal: Principal): Promise<readonly RegisteredAgent[]>;
  /** Throws `rejected-unknown-agent`, naming those there are, when no worker offers it. */
  assertKnown(principal: Principal, name: string): Promise<void>;
}

/** Workers register within moments of their start, so that asking again soon is worth it. */
const noAgentsRetryMs = 1_000;

/**
 * Reuses a list for `cacheMs`; an agent that is not on it is looked up afresh before it is refused.
 */
export function createAgents(deps: {
  fetchAgents: (principal: Principal) => Promise<readonly RegisteredAgent[]>;
  clock: Clock;
  cacheMs: number;
}): Agents {
  let latest: { atMs: number; agents: Promise<readonly RegisteredAgent[]> } | undefined;
  const refresh = (principal: Principal) => {
    const fetched = { atMs: deps.clock.monotonicMs(), agents: deps.fetchAgents(principal) };
    latest = fetched;
    fetched.agents.catch(() => {
      // The caller gets the error; the next caller asks again.
      latest = latest === fetched ? undefined : latest;
    });
    return fetched.agents;
  };
  const list = (principal: Principal) => {
    const isFresh = latest && deps.clock.monotonicMs() - latest.atMs < deps.cacheMs;
    return latest !== undefined && isFresh ? latest.agents : refresh(principal);
  };
  return {
    list,
    async assertKnown(principal, name) {
      const has = (agents: readonly RegisteredAgent[]) => agents.some((each) => each.name === name);
      if (has(await list(principal))) {
        return;
      }
      const agents = await refresh(principal);
      if (agents.length === 0) {
        const sentence = "No worker has registered its agents yet; retry in a moment.";
        const options = { retryAfterMs: noAgentsRetryMs };
        throw new WarmpathError("rejected-unavailable", sentence, options);
      }
      if (!has(agents)) {
        const names = agents.map((agent) => agent.name).join(", ");
        const fault = `no agent is called "${name}"; there are: ${names}`;
        const options = { fields: [{ field: "agent", fault }] };
        throw new WarmpathError(
          "rejected-unknown-agent",
          `${fault[0]?.toUpperCase()}${fault.slice(1)}.`,
          options,
        );
      }
    },
  };
}
