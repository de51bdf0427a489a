import type { Clock } from "@warmpath/runtime/base";
import type { Account } from "./account.ts";
import { limitHeaders } from "./limit-headers.ts";
import { usedOf } from "./match-rules.ts";
import type { Estimate, Refusal, Reservation, Used } from "./types.ts";

/** What one account gave to one request. */
export interface Charge {
  readonly account: Account;
  amount: number;
  /** The account's own mark of the taking. */
  readonly taken: number;
}

/** Takes all that one replica's limits ask for, or nothing. */
export type MoveTo = (replica: string) => readonly Charge[] | Refusal;

/** Takes from one account. */
export function chargeOf(account: Account, amount: number, nowMs: number): Charge {
  return { account, amount, taken: account.take(amount, nowMs) };
}

/** For a request that nothing limits. */
export const noReservation: Reservation = {
  answerTokensPaid: Number.POSITIVE_INFINITY,
  topUp: () => undefined,
  settle: () => undefined,
  moveTo: () => undefined,
  headers: () => ({}),
};

/** Joins what was taken with its one settlement. */
export function createReservation(options: {
  readonly charges: readonly Charge[];
  readonly estimate: Estimate;
  readonly clock: Clock;
  readonly topUpTokens: number;
  readonly moveTo: MoveTo | undefined;
}): Reservation {
  const { charges, estimate, clock, topUpTokens, moveTo } = options;
  const costOfAnswerToken = estimate.outputCost / Math.max(1, estimate.outputTokens);
  const isMetered = charges.some(({ account }) => isOfAnswer(account)) || moveTo !== undefined;
  let answerTokensPaid = isMetered ? estimate.outputTokens : Number.POSITIVE_INFINITY;
  let atReplica: readonly Charge[] = [];
  let isSettled = false;

  /** Sets each charge to what `used` really is of its kind, or to nothing. */
  const correct = (each: readonly Charge[], used: Used | undefined): void => {
    const nowMs = clock.monotonicMs();
    for (const { account, amount, taken } of each) {
      const { kind } = account.rule;
      const isOver = used === undefined || kind === "concurrency";
      account.giveBack(amount - (isOver ? 0 : usedOf(kind, used)), taken, nowMs);
    }
  };

  return {
    get answerTokensPaid() {
      return answerTokensPaid;
    },
    topUp: () => {
      if (isSettled) {
        return;
      }
      answerTokensPaid += topUpTokens;
      const nowMs = clock.monotonicMs();
      const more = { inputTokens: 0, outputTokens: topUpTokens, cost: costOf(topUpTokens) };
      for (const charge of [...charges, ...atReplica]) {
        if (isOfAnswer(charge.account)) {
          const amount = usedOf(charge.account.rule.kind, more);
          charge.account.giveBack(-amount, charge.taken, nowMs);
          charge.amount += amount;
        }
      }
    },
    settle: (used) => {
      if (!isSettled) {
        isSettled = true;
        // Whoever still counts an answer has nothing left to wait for.
        answerTokensPaid = Number.POSITIVE_INFINITY;
        correct(charges, used);
        correct(atReplica, used);
      }
    },
    moveTo: (replica) => {
      if (moveTo === undefined || isSettled) {
        return undefined;
      }
      correct(atReplica, undefined);
      atReplica = [];
      const moved = moveTo(replica);
      if ("rule" in moved) {
        return moved;
      }
      atReplica = moved;
      return undefined;
    },
    headers: () =>
      limitHeaders(
        charges.map(({ account }) => account),
        clock.monotonicMs(),
      ),
  };

  function costOf(tokens: number): number {
    return Math.ceil(tokens * costOfAnswerToken);
  }
}

/** True for limits that a longer answer uses more of. */
function isOfAnswer({ rule: { kind } }: Account): boolean {
  return kind === "tokens" || kind === "tokens-out" || kind === "usd";
}
