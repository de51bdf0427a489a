import { findHelm, helmMissing } from "../../helm.ts";
import { parseObjects } from "../kube-object.ts";
import type { ProofResult, ProofStep } from "../step.ts";
import { manifestFaults } from "./manifest-rules.ts";
import { yamlFaults } from "./strict-yaml.ts";
import {
  type Installation,
  installations,
  invalidCases,
  lintInstallation,
  refusalFault,
  renderInstallation,
  type ValidCase,
  validCases,
} from "./value-files.ts";

/** Fewest invalid cases: a corpus that shrinks proves less, and nobody would see it. */
export const invalidCasesMin = 40;

/** The level `render`: needs helm and nothing else. */
export const renderStep: ProofStep = {
  name: "render",
  proves:
    "every value file renders, twice the same, by the rules and no key twice; each invalid case is refused",
  missing: () => (findHelm() === undefined ? helmMissing : undefined),
  async run(say) {
    const valid = installations();
    say(`${valid.length} installations`);
    const rendered = await inTurn(valid, installationFaults);
    const once = validCases();
    say(`${once.length} values of no value file`);
    const right = await inTurn(once, validCaseFaults);
    const cases = invalidCases();
    say(`${cases.length} invalid cases`);
    const refused = await inTurn(cases, refusalFault);
    return resultOf([
      ...rendered,
      ...right,
      ...refused.map((fault) => (fault === undefined ? [] : [fault])),
      cases.length >= invalidCasesMin
        ? []
        : [`only ${cases.length} invalid cases, at least ${invalidCasesMin} are wanted`],
    ]);
  },
};

/** Runs of helm at once: it waits for the disk half of its time. */
const atOnceMax = 4;

/** What `work` finds in each, in the same order, a few at a time. */
export async function inTurn<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const found = new Map<number, R>();
  const waiting = items.entries();
  const worker = async () => {
    for (const [at, item] of waiting) {
      found.set(at, await work(item));
    }
  };
  await Promise.all(Array.from({ length: atOnceMax }, worker));
  // Each index was set by the loop above.
  return items.map((_, at) => found.get(at) as R);
}

/** What is wrong with one installation: lint, rendering, repetition, rules. */
export async function installationFaults({
  name,
  files,
}: Installation): Promise<readonly string[]> {
  const lint = await lintInstallation(files);
  const first = await renderInstallation(files);
  const second = await renderInstallation(files);
  if (lint === undefined || first === undefined || second === undefined) {
    return [`${name}: ${helmMissing}`];
  }
  if (lint.exitCode !== 0 || first.exitCode !== 0) {
    return [`${name}: ${lint.stdout}${lint.stderr}${first.stderr}`.trim()];
  }
  return [
    ...(first.stderr === "" ? [] : [`${name}: helm warned: ${first.stderr.trim()}`]),
    ...(first.stdout === second.stdout ? [] : [`${name}: two renderings differ`]),
    ...textFaults(first.stdout).map((fault) => `${name}: ${fault}`),
  ];
}

/** What is wrong with a case that must render: refused, against the rules, or not what it says. */
export async function validCaseFaults(each: ValidCase): Promise<readonly string[]> {
  const { name, files, holds } = each;
  const result = await renderInstallation(files);
  if (result === undefined) {
    return [`${name}: ${helmMissing}`];
  }
  if (result.exitCode !== 0) {
    return [`${name}: ${result.stderr.trim()}`];
  }
  return [
    ...(holds.test(result.stdout) ? [] : [`${name}: nothing in it matches ${holds}`]),
    ...textFaults(result.stdout).map((fault) => `${name}: ${fault}`),
  ];
}

function textFaults(text: string): readonly string[] {
  return [...yamlFaults(text), ...manifestFaults(parseObjects(text))];
}

/** One check for each list of faults; an empty list passed. */
function resultOf(checks: readonly (readonly string[])[]): ProofResult {
  return {
    passed: checks.filter((faults) => faults.length === 0).length,
    failures: checks.flat(),
  };
}
