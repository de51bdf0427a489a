import type { Estimate, LimitKind, LimitRule, Subject, Used } from "./types.ts";

/** True when the rule limits this subject, as far as that is known before a replica is chosen. */
export function matches({ scope }: LimitRule, subject: Subject): boolean {
  return (
    isWithin(scope.tenant, subject.tenant) &&
    isWithin(scope.user, subject.user) &&
    isWithin(scope.key, subject.key) &&
    isWithin(scope.model, subject.model)
  );
}

function isWithin(wanted: string | undefined, actual: string): boolean {
  return wanted === undefined || wanted === "*" || wanted === actual;
}

/**
 * The bucket of this subject under the rule: the rule's own text and the values that "*" stands
 * for. Users and keys are a tenant's own, so its name goes with theirs.
 */
export function bucketName({ id, scope }: LimitRule, subject: Subject, replica: string): string {
  const isOfTenant = scope.user !== undefined || scope.key !== undefined;
  const tenant = isOfTenant || scope.tenant === "*" ? `|${subject.tenant}` : "";
  const user = scope.user === "*" ? `|${subject.user}` : "";
  const key = scope.key === "*" ? `|${subject.key}` : "";
  const model = scope.model === "*" ? `|${subject.model}` : "";
  return `${id}${tenant}${user}${key}${model}${scope.replica === "*" ? `|${replica}` : ""}`;
}

/** How much of this kind a request takes at first. */
export function amountOf(kind: LimitKind, estimate: Estimate): number {
  const { inputTokens, outputTokens, inputCost, outputCost } = estimate;
  return usedOf(kind, { inputTokens, outputTokens, cost: inputCost + outputCost });
}

/** How much of this kind a request has used. */
export function usedOf(kind: LimitKind, used: Used): number {
  switch (kind) {
    case "requests":
      return used.requests ?? 1;
    case "concurrency":
      return 1;
    case "tokens":
      return used.inputTokens + used.outputTokens;
    case "tokens-in":
      return used.inputTokens;
    case "tokens-out":
      return used.outputTokens;
    case "usd":
      return used.cost;
  }
}

const keyRules = new Map<number, LimitRule>();
/** Rates that keys are given; more than that are made anew each time. */
const keyRulesMax = 1000;
const minuteMs = 60_000;

/** The limit that a key itself carries, by its requests per minute. */
export function keyRule(requestsPerMinute: number): LimitRule {
  const known = keyRules.get(requestsPerMinute);
  const rule: LimitRule = known ?? {
    id: "key requests/min",
    scope: { key: "*" },
    kind: "requests",
    amount: requestsPerMinute,
    periodMs: minuteMs,
    slice: Math.floor(requestsPerMinute / 20),
    onError: "open",
  };
  if (known === undefined && keyRules.size < keyRulesMax) {
    keyRules.set(requestsPerMinute, rule);
  }
  return rule;
}
