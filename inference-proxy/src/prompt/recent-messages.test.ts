import { expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { createHistoryReader } from "./history.ts";
import { createHistoryMemo } from "./history-memo.ts";
import { mixKeys } from "./mix.ts";
import { type Before, type Messages, recentMessages } from "./recent-messages.ts";

const wanted = 4;

/** A prompt of these messages, with what is hashed of them counted. */
function promptOf(messages: readonly object[], tenant = "acme") {
  const bytes = new TextEncoder().encode(JSON.stringify(messages));
  const memo = createHistoryMemo({ bytesMax: 1e6 });
  const hash = Bun.hash.rapidhash;
  const history = createHistoryReader({ hash, memo, memoSeed: 1n, keySeed: 2n }).read(
    bytes,
    0,
    tenant,
  );
  if (history === undefined) throw new Error("the prompt is a list");
  let hashed = 0;
  const counting: Messages["hash"] = (text, seed) => {
    hashed += 1;
    return hash(text, seed);
  };
  const scope = 5;
  const marks = mixKeys(history.endKeys, scope);
  const prompt: Messages = { hash: counting, bytes, history, scope, marks };
  return {
    marks,
    read: (before?: Before) => recentMessages(prompt, wanted, before),
    hashedOf: () => hashed,
  };
}

const answer = (text: string) => ({ role: "assistant", content: `${text} ${"word ".repeat(40)}` });
const question = (text: string) => ({ role: "user", content: text });

test("messages that a prompt has in common with the one before it are not read again", () => {
  const messages = Array.from({ length: 20 }, (_, turn) => [
    question(`${turn}`),
    answer(`${turn}`),
  ]);
  const first = promptOf(messages.flat());
  const recent = first.read();
  expect([first.hashedOf(), recent.found.map(({ index }) => index)]).toEqual([
    wanted,
    [39, 37, 35, 33],
  ]);
  const before = { marks: first.marks, recent };
  const same = promptOf(messages.flat());
  expect([same.read(before), same.hashedOf()]).toEqual([recent, 0]);
  const next = promptOf([...messages.flat(), question('and "now"?'), answer("now")]);
  expect([next.read(before).found.map(({ index }) => index), next.hashedOf()]).toEqual([
    [41, 39, 37, 35],
    1,
  ]);
});

test("nothing is taken over from a prompt that differs in its first message, or of a tenant's", () => {
  const messages = [question("one"), answer("1"), question("two"), answer("2")];
  const first = promptOf(messages);
  const before = { marks: first.marks, recent: first.read() };
  for (const other of [
    promptOf([question("other"), ...messages.slice(1)]),
    promptOf(messages, "globex"),
  ]) {
    expect(other.read(before).found).toEqual(first.read().found);
    expect(other.hashedOf()).toBe(2);
  }
});

test("the same is found with the prompt before as without, on 400 seeded turns", () => {
  const random = seededRandom("recent");
  const int = (below: number) => Math.floor(random.next() * below);
  let messages: object[] = [];
  let before: Before | undefined;
  for (let turn = 0; turn < 400; turn += 1) {
    // Some turns take messages back or change one; long runs have nothing that tells.
    if (int(4) === 0) messages = messages.slice(0, int(messages.length + 1));
    if (int(6) === 0 && messages.length > 0) messages[int(messages.length)] = question(`${turn}`);
    const isQuiet = turn % 40 < 25;
    for (let count = int(9); count > 0; count -= 1) {
      messages.push(isQuiet || int(2) === 0 ? question(`q${turn}`) : answer(`a${turn}.${count}`));
    }
    const prompt = promptOf(messages);
    const recent = prompt.read(before);
    expect(recent.found).toEqual(promptOf(messages).read().found);
    before = { marks: prompt.marks, recent };
  }
});
