import { createPrompts, type Prompts, type PromptsOptions } from "@warmpath/inference-proxy/policy";
import { medianOf, quantileOf } from "../report/statistics.ts";
import { AgentSession, type BodyShape } from "./bodies.ts";

/** What is timed of a prompt, and how often. */
export interface PromptPlan {
  readonly bodyBytes: number;
  /** Sessions, each read once cold and once more after a turn. */
  readonly sessions: number;
}

/** Times of one shape, in ms. */
export interface PromptTimes {
  readonly shape: string;
  readonly bodyBytes: number;
  readonly messages: number;
  readonly keys: number;
  readonly coldMs: readonly number[];
  readonly knownMs: readonly number[];
}

/** Sessions that are read before anything is timed, so that the code is compiled. */
const warmUpSessions = 12;

/**
 * Times that each session is played, to one that remembers nothing each time. The shortest counts:
 * what is longer is the time of other processes of the machine.
 */
const repeats = 3;

/**
 * Times what a decision takes of a prompt: finding the members of its body, its keys, and its
 * session. Cold: nothing of the session was seen before. Known: the request after that, a turn
 * longer. Placement is not in it.
 */
export function measurePrompt(shape: BodyShape, plan: PromptPlan): PromptTimes {
  const prompts = benchPrompts();
  for (let index = 0; index < warmUpSessions; index += 1)
    measureSession(prompts, shape, -index, plan);
  const rounds = Array.from({ length: plan.sessions }, (_, index) =>
    bestOf(
      Array.from({ length: repeats }, () => measureSession(benchPrompts(), shape, index + 1, plan)),
    ),
  );
  const { messages, keys, bodyBytes } = rounds[0]!;
  return {
    shape: shape.name,
    bodyBytes,
    messages,
    keys,
    coldMs: rounds.map(({ coldMs }) => coldMs),
    knownMs: rounds.map(({ knownMs }) => knownMs),
  };
}

type SessionTimes = ReturnType<typeof measureSession>;

/** The shortest of each time. */
function bestOf(times: readonly SessionTimes[]): SessionTimes {
  return {
    ...times[0]!,
    coldMs: Math.min(...times.map(({ coldMs }) => coldMs)),
    knownMs: Math.min(...times.map(({ knownMs }) => knownMs)),
  };
}

function measureSession(prompts: Prompts, shape: BodyShape, seed: number, plan: PromptPlan) {
  const session = new AgentSession(shape, seed).growTo(plan.bodyBytes);
  const cold = timed(prompts, session.body());
  prompts.served(cold.prompt, "r0");
  session.addTurn();
  const known = timed(prompts, session.body());
  prompts.served(known.prompt, "r0");
  if (cold.prompt.session.kind !== "new" || known.prompt.session.kind !== "continuation") {
    throw new Error(`found ${cold.prompt.session.kind}, then ${known.prompt.session.kind}`);
  }
  const { keys, session: link } = known.prompt;
  if (link.commonChunks < cold.prompt.keys.length - 1) throw new Error("keys do not go on");
  return {
    messages: known.prompt.commonMessages,
    keys: keys.length,
    bodyBytes: session.body().length,
    coldMs: cold.ms,
    knownMs: known.ms,
  };
}

function timed(prompts: Prompts, body: Uint8Array<ArrayBuffer>) {
  const from = Bun.nanoseconds();
  const prompt = prompts.identify(prompts.scan(body, "acme", "messages"), {
    model: "tiny",
    salt: "acme",
    lora: "",
    headers: undefined,
    sessionId: "",
  });
  return { prompt, ms: (Bun.nanoseconds() - from) / 1e6 };
}

function benchPrompts(): Prompts {
  return createPrompts(promptsOptions);
}

/** What the proxy has by default. */
export const promptsOptions: PromptsOptions = {
  hash: Bun.hash.rapidhash,
  memoSeed: 1n,
  keySeed: 2n,
  nowMs: () => performance.now(),
  tokensOf: (_model, bytes) => Math.ceil(bytes / 4),
  blockTokensOf: () => 16,
  memoBytesMax: 16 * 2 ** 20,
  sessions: {
    sessionsMax: 16_384,
    marksMax: 2 ** 20,
    bodyBytesMax: 32 * 2 ** 20,
    ttlMs: 3_600_000,
  },
};

/** The middle and the nine-in-ten of some times. */
export function summaryOf(values: readonly number[]): {
  readonly p50: number;
  readonly p90: number;
} {
  return {
    p50: medianOf(values),
    p90: quantileOf(
      values.toSorted((one, other) => one - other),
      0.9,
    ),
  };
}
