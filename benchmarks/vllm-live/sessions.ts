/** Sessions of agents as token prompts: each turn continues the tokens of the one before it. */
import { type Random, seededRandom } from "@warmpath/runtime/base";
import { complete, type Watched } from "./completion.ts";
import { blockTokens } from "./engines.ts";

/** How many, and how long. */
export interface SessionsPlan {
  readonly sessions: number;
  readonly turns: number;
  /** Sessions that run at the same time. */
  readonly concurrent: number;
  readonly seed: number;
}

/** One turn as it went. */
export interface Turn extends Watched {
  readonly session: number;
  readonly turn: number;
  /** Tokens that the replica of the turn before must still have; 0 in the first turn. */
  readonly warmTokens: number;
}

/** Tokens of the model's vocabulary that are drawn from, without its special ones. */
const vocabulary = { from: 100, to: 8000 };
/** What all sessions begin with, as a system prompt and tools do. */
const sharedTokens = 130;
const patienceMs = 60_000;

/** Runs them all; half of the turns are streams. */
export async function runSessions(url: string, plan: SessionsPlan): Promise<readonly Turn[]> {
  const shared = draw(seededRandom(`${plan.seed}/shared`), sharedTokens);
  const turns: Turn[] = [];
  let next = 0;
  const worker = async () => {
    for (let session = next++; session < plan.sessions; session = next++) {
      turns.push(...(await runSession(url, plan, session, shared)));
    }
  };
  await Promise.all(Array.from({ length: plan.concurrent }, worker));
  return turns;
}

async function runSession(
  url: string,
  plan: SessionsPlan,
  session: number,
  shared: readonly number[],
): Promise<readonly Turn[]> {
  const random = seededRandom(`${plan.seed}/${session}`);
  const turns: Turn[] = [];
  let prompt = [...shared, ...draw(random, 40 + Math.floor(random.next() * 120))];
  let cachedBefore = 0;
  for (let turn = 0; turn < plan.turns; turn++) {
    const maxTokens = 4 + Math.floor(random.next() * 28);
    const isStream = turn % 2 === 1;
    const answer = await complete(url, { prompt, maxTokens, isStream, patienceMs });
    turns.push({ ...answer, session, turn, warmTokens: cachedBefore });
    if (answer.end !== "done") break;
    prompt = [...prompt, ...answer.outputIds];
    // The last token of an answer is never cached.
    cachedBefore = Math.floor((prompt.length - 1) / blockTokens) * blockTokens;
    prompt.push(...draw(random, 10 + Math.floor(random.next() * 60)));
  }
  return turns;
}

/** Tokens drawn evenly from the vocabulary. */
export function draw(random: Random, count: number): number[] {
  const { from, to } = vocabulary;
  return Array.from({ length: count }, () => from + Math.floor(random.next() * (to - from)));
}

/** What the turns say about placement. */
export interface Landing {
  /** Share of later turns that found what the turn before had left. */
  readonly warmShare: number;
  /** Share of all turns at the busier replica. */
  readonly loadShare: number;
}

/** Judges where the turns landed. */
export function landingOf(turns: readonly Turn[]): Landing {
  const later = turns.filter(({ turn, end }) => turn > 0 && end === "done");
  const warm = later.filter(({ cachedTokens = 0, warmTokens }) => cachedTokens >= warmTokens);
  const counts = new Map<string, number>();
  for (const { replica } of turns) counts.set(replica, (counts.get(replica) ?? 0) + 1);
  return {
    warmShare: warm.length / later.length,
    loadShare: Math.max(...counts.values()) / turns.length,
  };
}
