/**
 * The same prompts, as token ids, to a real vLLM and to the replica: what their caches do, and what
 * they publish about it, must be equal step for step.
 */
import { seededRandom } from "@warmpath/runtime/base";
import { setDifferences } from "../recorded/compare.ts";
import { describeEvent, type EventFollower, type FollowedMessage } from "./event-follower.ts";
import { lineDiff } from "./line-diff.ts";
import type { Send } from "./send.ts";
import type { LiveServerName } from "./vllm-servers.ts";

/** One step: requests, one after the other. */
interface Step {
  readonly name: string;
  readonly requests: readonly CompletionStep[];
  /** True where blocks hold tokens of an answer, which two models do not share. */
  readonly hasAnswer: boolean;
}

type CompletionStep =
  | {
      readonly prompt: readonly number[];
      readonly outputTokens: number;
      readonly salt?: string;
      readonly session?: string;
    }
  | { readonly reset: true };

const random = seededRandom("replica-truth");

/** Token ids that mean nothing, within the tiny model's vocabulary and above its special ones. */
const ids = (count: number) =>
  Array.from({ length: count }, () => 300 + Math.floor(random.next() * 7_000));

const base = ids(100);
const exact = base.slice(0, 64);

const ask = (prompt: readonly number[], more: { salt?: string; session?: string } = {}) => ({
  prompt,
  outputTokens: 1,
  ...more,
});

const fill = Array.from({ length: 9 }, () => ask(ids(256)));
const turn = ids(150);
const long = ids(3_000);

/** Blocks of 32 tokens; A has 512 of them and steps of 1,024 tokens, B 64 and 512. */
const steps: Readonly<Record<LiveServerName, readonly Step[]>> = {
  A: [
    step("three blocks and a rest", [ask(base)]),
    step("the same again", [ask(base)]),
    step("a prompt that ends with a block", [ask(exact)]),
    step("a prompt that leaves the chain", [ask([...base.slice(0, 70), ...ids(40)])]),
    step("two salts", [ask(base, { salt: "tenant-a" }), ask(base, { salt: "tenant-b" })]),
    step("a session", [ask(ids(70), { session: "sess-1" })]),
    step("a prefill in three steps", [ask(long)]),
    step("an answer of three blocks", [{ prompt: turn, outputTokens: 100 }], true),
    step(
      "a cache that overflows",
      Array.from({ length: 5 }, () => ask(ids(3_000))),
    ),
    step("what is left of it", [ask(long), ask(base)]),
  ],
  B: [
    step("three blocks and a rest", [ask(base)]),
    step("a cache that was reset", [{ reset: true }, ask(base), ask(exact)]),
    step("eviction, tail first", fill),
    step("what is left of it", [ask(base), fill[8]!, fill[0]!]),
    step("an answer across steps", [{ prompt: turn, outputTokens: 70 }], true),
  ],
};

function step(name: string, requests: readonly CompletionStep[], hasAnswer = false): Step {
  return { name, requests, hasAnswer };
}

/** One side of the comparison. */
export interface Side {
  readonly send: Send;
  readonly follower: EventFollower;
}

/** What was compared and how it differs, a line for each difference. */
export interface EventFindings {
  readonly steps: number;
  readonly batches: number;
  readonly differences: readonly string[];
}

/** Runs every step on both sides. */
export async function compareEvents(
  name: LiveServerName,
  real: Side,
  ours: Side,
  say: (text: string) => void,
): Promise<EventFindings> {
  const differences: string[] = [];
  const names = [createNames(), createNames()] as const;
  let batches = 0;
  for (const { name: title, requests, hasAnswer } of steps[name]) {
    say(`events: ${title}`);
    const [theirs, mine] = [await play(real, requests), await play(ours, requests)];
    batches += theirs.messages.length;
    const note = (text: string) => differences.push(`${title}: ${text}`);
    for (const [index, usage] of theirs.usages.entries()) {
      if (usage !== mine.usages[index]) note(`request ${index}: ${usage} is ${mine.usages[index]}`);
    }
    const tell = (messages: readonly FollowedMessage[], side: BlockNames) => {
      if (hasAnswer) side.learn(messages);
      return linesOf(messages, side);
    };
    const lines = lineDiff(tell(theirs.messages, names[0]), tell(mine.messages, names[1]));
    for (const line of shortened(lines)) note(line);
    const shapes = [theirs, mine].map(({ messages }) => messages.flatMap(({ shape }) => shape));
    for (const line of setDifferences("event member", shapes[0]!, shapes[1]!)) note(line);
  }
  differences.push(...(await compareReplays(real, ours)));
  return { steps: steps[name].length, batches, differences };
}

async function play({ send, follower }: Side, requests: readonly CompletionStep[]) {
  const usages: string[] = [];
  for (const request of requests) {
    if ("reset" in request) {
      usages.push((await send({ method: "POST", path: "/reset_prefix_cache" })).body.trim());
      continue;
    }
    const { prompt, outputTokens, salt, session } = request;
    const answer = await send({
      method: "POST",
      path: "/v1/completions",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: "tiny",
        prompt,
        max_tokens: outputTokens,
        temperature: 0,
        ignore_eos: true,
        ...(salt === undefined ? {} : { cache_salt: salt }),
        ...(session === undefined ? {} : { session_id: session }),
      }),
    });
    const { usage } = JSON.parse(answer.body) as { usage: unknown };
    usages.push(JSON.stringify(usage));
  }
  return { usages, messages: await follower.settle() };
}

/** How one side's blocks are called: by their hash, or where an answer is in them by their turn. */
interface BlockNames {
  /** Gives the stored blocks names that the other side's have too. */
  learn(messages: readonly FollowedMessage[]): void;
  nameOf(hash: bigint): string;
}

function createNames(): BlockNames {
  const names = new Map<bigint, string>();
  return {
    learn(messages) {
      const events = messages.flatMap(({ batch }) => batch.events);
      for (const event of events) {
        if (event.type !== "stored") continue;
        for (const hash of event.hashes) {
          if (!names.has(hash)) names.set(hash, `answer block ${names.size}`);
        }
      }
    },
    nameOf: (hash) => names.get(hash) ?? hash.toString(16).padStart(16, "0"),
  };
}

function linesOf(messages: readonly FollowedMessage[], { nameOf }: BlockNames): string[] {
  return messages.flatMap(({ sequence, topic, batch }) => [
    `batch ${sequence} topic ${topic} rank ${batch.rank}`,
    ...batch.events.map((event) => describeEvent(event, nameOf)),
  ]);
}

/** Lines of a step's difference that are told; a shift of one block changes hundreds. */
const linesMax = 6;

function shortened(lines: readonly string[]): readonly string[] {
  if (lines.length <= linesMax) return lines;
  return [...lines.slice(0, linesMax), `… and ${lines.length - linesMax} more such lines`];
}

async function compareReplays(real: Side, ours: Side): Promise<string[]> {
  const [theirs, mine] = [await real.follower.replay(), await ours.follower.replay()];
  const tell = ({ messages, endFrames }: typeof theirs) => {
    const sequences = messages.map(({ sequence }) => sequence);
    const isWhole = sequences.every((sequence, index) => sequence === index);
    return `replay of ${sequences.length} batches ${isWhole ? "from 0" : "with gaps"}, end ${endFrames.join("|")}`;
  };
  return tell(theirs) === tell(mine) ? [] : [`${tell(theirs)} is ${tell(mine)}`];
}
