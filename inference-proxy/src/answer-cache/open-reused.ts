import type { Clock } from "@warmpath/runtime/base";
import type { OpenCall } from "../call/end-call.ts";
import type { Models } from "../call/models.ts";
import type { CallMeans } from "../call/open-call.ts";
import type { AnswerReuse } from "../call/reuse.ts";
import type { CallRequest } from "../call/types.ts";
import type { AnswerStore, Found } from "./answer-store.ts";
import { type AnswerVault, readVaulted, writeVaulted } from "./answer-vault.ts";
import { createEmbedQuestion } from "./embed-question.ts";
import { isFinished } from "./finished.ts";
import type { FlightAnswer } from "./flight.ts";
import { createFlights } from "./flights.ts";
import { createMeanings, type Meaning } from "./meaning.ts";
import type { AnswerCacheMetrics } from "./metrics.ts";
import { storedCall } from "./reused-call.ts";
import type { AnswerStoreLimits, MeaningLimits, SharingLimits } from "./types.ts";

/** What reusing answers needs of the process. */
export interface AnswerReuseMeans {
  readonly store: AnswerStore;
  readonly metrics: AnswerCacheMetrics;
  readonly models: Models;
  readonly limits: SharingLimits & MeaningLimits & AnswerStoreLimits;
  /** Answers of all proxies; undefined: those of this one alone. */
  readonly vault: AnswerVault | undefined;
}

/**
 * Joins the store of finished answers, the questions that mean the same, and the calls that are
 * under way.
 */
export function createAnswerReuse(reuse: AnswerReuseMeans): AnswerReuse {
  const { store, metrics, models, limits } = reuse;
  const flights = createFlights(metrics, limits);
  const meanings = createMeanings({
    embedQuestion: createEmbedQuestion({ models, waitMsMax: limits.semanticWaitMsMax }),
    limits,
  });

  const openStored = async (
    means: CallMeans,
    request: CallRequest,
    at: { readonly key: string; readonly similarity?: number },
  ): Promise<OpenCall | undefined> => {
    const isExact = at.similarity === undefined;
    const found =
      store.find(at.key) ??
      (isExact ? await findVaulted(reuse, means, request, at.key) : undefined);
    const call = found && (await storedCall(means, request, found, at.similarity));
    if (call !== undefined) {
      metrics.answers.inc({ from: isExact ? "store" : "semantic" });
    }
    return call;
  };

  return {
    open: async (means, request, ask, openFresh) => {
      const asked = { means, request, ask, openFresh };
      const { key, stores, question } = ask;
      const equal = stores ? await openStored(means, request, { key }) : undefined;
      if (equal !== undefined) {
        return equal;
      }
      const isStored = (other: string) => store.has(other);
      const meaning = question && (await meanings.look(means, request, question, isStored));
      const similar = meaning?.near && (await openStored(means, request, meaning.near));
      const onAnswer = keep(reuse, means.clock, { request, key, meaning });
      return similar ?? (await flights.leadOrFollow({ ...asked, onAnswer }));
    },
  };
}

/** An equal request's answer that another proxy has kept; it is kept here, too. */
async function findVaulted(
  { store, vault, metrics, limits }: AnswerReuseMeans,
  { pool, clock }: CallMeans,
  { path }: CallRequest,
  key: string,
): Promise<Found | undefined> {
  if (vault === undefined) {
    return undefined;
  }
  const bytes = await vault.find(key);
  const found =
    bytes &&
    readVaulted(bytes, {
      path,
      nowMs: clock.nowMs(),
      ttlMs: limits.answerCacheTtlMs,
      findReplica: (name) => pool.find(name),
    });
  metrics.vault.inc({ result: found === undefined ? "missed" : "found" });
  if (found !== undefined) {
    store.keep(key, found.answer, found.ageMs);
  }
  return found;
}

/** Stores a finished answer under the request's key. */
function keep(
  { store, vault, metrics, limits }: AnswerReuseMeans,
  clock: Clock,
  asked: {
    readonly request: CallRequest;
    readonly key: string;
    readonly meaning: Meaning | undefined;
  },
): FlightAnswer {
  const { request, key, meaning } = asked;
  const { path } = request;
  return (call, bytes) => {
    const { contentType, replica } = call;
    const isStream = call.answer.kind === "stream";
    const answer = { path, isStream, bytes, contentType, replica };
    const isKept = isFinished(path, bytes) && store.keep(key, answer);
    if (isKept) {
      meaning?.remember(key);
      vault?.keep(key, writeVaulted(answer, clock.nowMs()), limits.answerCacheTtlMs);
    }
    metrics.ended.inc({ result: isKept ? "kept" : "not_kept" });
  };
}
