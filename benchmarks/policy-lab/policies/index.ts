import { nearestName } from "@warmpath/runtime/base";
import type { Policy } from "../types.ts";
import { cacheAware } from "./cache-aware.ts";
import { dynamo } from "./dynamo.ts";
import { leastLoaded } from "./least-loaded.ts";
import { llmD, llmDPrecise } from "./llm-d.ts";
import { lmetric } from "./lmetric.ts";
import { oracle } from "./oracle.ts";
import { powerOfTwo } from "./power-of-two.ts";
import { prefixHash } from "./prefix-hash.ts";
import { random } from "./random.ts";
import { roundRobin } from "./round-robin.ts";
import { sessionHash } from "./session-hash.ts";
import { thunderAgent } from "./thunder-agent.ts";
import { vllmBalancer } from "./vllm-balancer.ts";
import { warmpath, warmpathHistory, warmpathMisstated } from "./warmpath.ts";

/** What a grid compares unless it is told otherwise, simplest first, the bound last. */
export const defaultPolicies: readonly Policy[] = [
  random,
  roundRobin,
  leastLoaded,
  powerOfTwo,
  sessionHash,
  prefixHash,
  llmD,
  cacheAware,
  dynamo,
  lmetric,
  thunderAgent,
  warmpath,
  warmpathHistory,
  oracle,
];

/** Every policy the lab knows: the default ones, and those that published comparisons need. */
export const allPolicies: readonly Policy[] = [
  ...defaultPolicies,
  llmDPrecise,
  vllmBalancer,
  warmpathMisstated(90),
  warmpathMisstated(110),
];

/** The policy of that name; throws with a suggestion when there is none. */
export function policyNamed(name: string): Policy {
  const found = allPolicies.find((policy) => policy.name === name);
  if (found !== undefined) return found;
  const names = allPolicies.map((policy) => policy.name);
  const meant = nearestName(name, names);
  const hint = meant === undefined ? `known: ${names.join(", ")}` : `did you mean ${meant}?`;
  throw new Error(`no policy is called "${name}": ${hint}`);
}
