/** Faults that a run plants in what it has just found well: each must turn its checks red. */
import type { Check } from "../checks/check.ts";
import { faultsOf, type Verdicts } from "../verdicts.ts";

/** How a planted fault is taken away again. */
export type Mend = () => Promise<void>;

/** One thing that is made wrong. */
export interface Fault<S> {
  readonly title: string;
  /** Words of the titles of exactly those checks that have to go red. */
  readonly reds: readonly string[];
  /** Makes it wrong; what checks are then run with, and the way back. */
  plant(stage: S): Promise<{ readonly stage: S; readonly mend: Mend }>;
}

/** Checks that are run with each of some faults. */
export interface Bench<S> {
  readonly checks: readonly Check<S>[];
  readonly faults: readonly Fault<S>[];
  /** Side by side; one after the other where they would disturb each other. */
  readonly areTogether: boolean;
}

/** An Envoy's workers may be a moment behind what it says that it has taken. */
const looksMax = 2;

/** The one check that the words are in the title of. */
export function checkNamed<S>(checks: readonly Check<S>[], words: string): Check<S> {
  const found = checks.filter(({ title }) => title.includes(words));
  const [check] = found;
  if (check === undefined || found.length > 1) {
    throw new Error(`${found.length} checks have "${words}" in their title`);
  }
  return check;
}

/** Plants each fault of a bench, and finds it a failure if another check than its own goes red. */
export async function proveFaults<S>(
  { checks, faults, areTogether }: Bench<S>,
  stage: S,
  verdicts: Verdicts,
): Promise<void> {
  for (const fault of faults) {
    const wanted = fault.reds.map((words) => checkNamed(checks, words));
    await verdicts.prove(`planted: ${fault.title}`, async () => {
      const planted = await fault.plant(stage);
      try {
        const look = async (check: Check<S>) => ({
          check,
          found: await faultsOf(() => check.run(planted.stage)),
        });
        for (let looks = 1; ; looks += 1) {
          const looked = areTogether
            ? await Promise.all(checks.map(look))
            : await inTurn(checks, look);
          const wrong = looked.flatMap(({ check, found }) => wrongColour(check, found, wanted));
          if (wrong.length === 0 || looks === looksMax) {
            return wrong;
          }
        }
      } finally {
        await planted.mend();
      }
    });
  }
}

function wrongColour<S>(
  check: Check<S>,
  found: readonly string[],
  wanted: readonly Check<S>[],
): readonly string[] {
  if (wanted.includes(check)) {
    return found.length > 0 ? [] : [`nothing is wrong, says "${check.title}"`];
  }
  return found.slice(0, 1).map((each) => `"${check.title}" went red as well: ${each}`);
}

async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) {
    results.push(await work(item));
  }
  return results;
}
