/** All checks that are made with the services at work, in their order. */
import { canaryChecks } from "./canary.ts";
import type { Check } from "./check.ts";
import { engineChecks } from "./engines.ts";
import { identityChecks } from "./identities.ts";
import { longStreamChecks, sigtermChecks } from "./streams.ts";
import { plaintextChecks, taskChecks } from "./tasks.ts";

/** Made beside the long streams, which take their time. */
export const meanwhileChecks: readonly Check[] = [
  ...taskChecks,
  ...plaintextChecks,
  ...identityChecks,
  ...canaryChecks,
];

/** Made when nothing else is under way: they end what others stand on. */
export const lastChecks: readonly Check[] = [...sigtermChecks, ...engineChecks];

export const serviceChecks: readonly Check[] = [
  ...longStreamChecks,
  ...meanwhileChecks,
  ...lastChecks,
];
