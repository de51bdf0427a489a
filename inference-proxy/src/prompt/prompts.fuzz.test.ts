import { expect, test } from "bun:test";
import { type Random, seededRandom, WarmpathError } from "@warmpath/runtime/base";
import { createPrompts, type Prompts, type ReadPrompt } from "./prompts.ts";

/*
 * Goal: whatever comes as a body, reading it ends, fails only as a refusal, and says the same with
 * a memory of other bodies as without. Method: requests of sessions, bent at random places, read by
 * one that remembers all of them and by one that is new.
 */

const rounds = 1500;

const fresh = (): Prompts =>
  createPrompts({
    hash: Bun.hash.rapidhash,
    memoSeed: 1n,
    keySeed: 2n,
    nowMs: () => 0,
    tokensOf: (_model, bytes) => bytes,
    blockTokensOf: () => 16,
    memoBytesMax: 200_000,
    sessions: { sessionsMax: 20, marksMax: 5000, bodyBytesMax: 300_000, ttlMs: 1000 },
  });

test("any body is read or refused, the same with and without a memory of others", () => {
  const random = seededRandom("any body");
  const remembering = fresh();
  let refused = 0;
  for (let round = 0; round < rounds; round += 1) {
    const bytes = bent(random, bodyOf(random));
    const known = outcomeOf(remembering, bytes);
    const alone = outcomeOf(fresh(), bytes);
    expect(known?.keys).toEqual(alone?.keys as never);
    expect(known?.commonMessages ?? 0).toBeGreaterThanOrEqual(0);
    if (known === undefined) refused += 1;
    else remembering.served(known, `r${round % 3}`);
  }
  expect(refused).toBeGreaterThan(rounds / 40);
  expect(refused).toBeLessThan(rounds * 0.8);
});

function outcomeOf(prompts: Prompts, bytes: Uint8Array<ArrayBuffer>): ReadPrompt | undefined {
  try {
    return prompts.identify(prompts.scan(bytes, "acme", "messages"), {
      model: "m",
      salt: "acme",
      lora: "",
      headers: undefined,
      sessionId: "",
    });
  } catch (error) {
    expect(error).toBeInstanceOf(WarmpathError);
    return undefined;
  }
}

const int = (random: Random, below: number) => Math.floor(random.next() * below);

/** Few sessions, so that bodies have long beginnings in common. */
function bodyOf(random: Random): string {
  const session = int(random, 4);
  const messages = Array.from({ length: 1 + int(random, 14) }, (_, index) => ({
    role: ["system", "user", "assistant", "tool"][index % 4],
    tool_call_id: index % 4 === 3 ? `call_${session}_${index}` : undefined,
    content: `${session} ${index} "quoted" \\ \n`.repeat(1 + ((session * 7 + index * 13) % 200)),
  }));
  return JSON.stringify({ tools: session === 0 ? [] : undefined, messages, user: "u", n: 1 });
}

/** A few bytes changed, left out or put in. */
function bent(random: Random, text: string): Uint8Array<ArrayBuffer> {
  const pieces = ['"', "\\", "{", "}", "[", "]", ",", ":", " ", "null", '"messages":[', "\u0000"];
  let result = text;
  for (let times = int(random, 4); times > 0; times -= 1) {
    const at = int(random, result.length);
    const piece = pieces[int(random, pieces.length)] ?? "";
    result = result.slice(0, at) + piece + result.slice(at + int(random, 3));
  }
  return new TextEncoder().encode(result);
}
