import { expect } from "bun:test";
import type { WatchTaskResponse } from "@warmpath/proto/gateway";
import { isTerminal } from "../watch/terminal.ts";
import type { World } from "./world.ts";

/** A consumer that knows nothing but the responses, and checks the watch invariant on each. */
export interface WatcherCheck {
  receive(responses: readonly WatchTaskResponse[]): void;
  /** What to resume from; empty before the first response. */
  readonly cursor: string;
  readonly isEnded: boolean;
  readonly retractions: number;
  /** Asserts that everything the world recorded was told. */
  finish(world: World): void;
}

/** `label` is in every failure, so that a seed can be run again. */
export function createWatcherCheck(label: string): WatcherCheck {
  const textOfStep = new Map<number, string>();
  const answeredSteps = new Set<number>();
  let lastSeq = 0n;
  let cursor = "";
  let isEnded = false;
  let retractions = 0;
  const receiveOne = ({ update }: WatchTaskResponse) => {
    expect(isEnded, `${label}: nothing follows the end`).toBe(false);
    if (update.case === "delta") {
      const { step, text } = update.value;
      expect(answeredSteps.has(step), `${label}: no text after step ${step}'s answer`).toBe(false);
      textOfStep.set(step, (textOfStep.get(step) ?? "") + text);
    } else if (update.case === "retraction") {
      expect(
        textOfStep.get(update.value.step),
        `${label}: only told text is retracted`,
      ).toBeTruthy();
      textOfStep.delete(update.value.step);
      retractions += 1;
    } else if (update.case === "event") {
      const { seq, kind } = update.value;
      expect(seq, `${label}: events in order, each once`).toBe(lastSeq + 1n);
      lastSeq = seq;
      if (kind.case === "modelAnswered") {
        const { step, text } = kind.value;
        expect(textOfStep.get(step) ?? "", `${label}: deltas make up step ${step}`).toBe(text);
        answeredSteps.add(step);
      }
      isEnded = isTerminal(kind.case);
    }
  };
  return {
    receive(responses) {
      for (const response of responses) {
        receiveOne(response);
        cursor = response.cursor;
      }
    },
    get cursor() {
      return cursor;
    },
    get isEnded() {
      return isEnded;
    },
    get retractions() {
      return retractions;
    },
    finish(world) {
      expect(lastSeq, `${label}: every event was told`).toBe(BigInt(world.events.length));
      for (const step of textOfStep.keys()) {
        expect(answeredSteps.has(step), `${label}: step ${step} keeps text unanswered`).toBe(true);
      }
    },
  };
}
