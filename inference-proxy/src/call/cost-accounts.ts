import type { CallRequest } from "./types.ts";

/** What calls have cost since this process started, by who caused it; all in nano-dollars. */
export interface CostAccounts {
  /** Adds one call's cost and gives the totals with it. */
  add(request: CallRequest, costNanodollars: bigint): CostTotals;
}

/** Totals up to a call, it included; undefined where the call has no such name. */
export interface CostTotals {
  readonly session: bigint | undefined;
  readonly agent: bigint | undefined;
  readonly user: bigint;
  readonly tenant: bigint;
}

/** Keeps at most `accountsMax` of each kind; the one unused longest is forgotten first. */
export function createCostAccounts({
  accountsMax,
}: {
  readonly accountsMax: number;
}): CostAccounts {
  const sessions = createTotals(accountsMax);
  const agents = createTotals(accountsMax);
  const users = createTotals(accountsMax);
  const tenants = createTotals(accountsMax);
  return {
    add: (request, cost) => {
      const { tenant, user } = request.caller;
      const { agent = "" } = request;
      const session = sessionOf(request);
      return {
        // The tenant leads every name: two tenants never share a total.
        session: session === "" ? undefined : sessions(`${tenant}/${session}`, cost),
        agent: agent === "" ? undefined : agents(`${tenant}/${agent}`, cost),
        user: users(`${tenant}/${user}`, cost),
        tenant: tenants(tenant, cost),
      };
    },
  };
}

/** The session that the caller stated, or that was found in the prompt. */
function sessionOf({ sessionId, prompt }: CallRequest): string {
  return sessionId === "" ? prompt.session.id : sessionId;
}

/** Sums by name, bounded. */
function createTotals(accountsMax: number): (name: string, cost: bigint) => bigint {
  const totals = new Map<string, bigint>();
  return (name, cost) => {
    const total = (totals.get(name) ?? 0n) + cost;
    // Moves the name to the end of the map's order, so that the first one is the oldest.
    totals.delete(name);
    totals.set(name, total);
    const [oldest] = totals.keys();
    if (totals.size > accountsMax && oldest !== undefined) {
      totals.delete(oldest);
    }
    return total;
  };
}
