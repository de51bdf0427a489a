import { eventsOf, type Recording, shapeOf } from "../recording.ts";
import type { RawAnswer } from "./exchange.ts";

/**
 * How an answer differs from the recorded one, a line for each difference: `+` is what only the
 * replica has, `-` what only the recording has. Shapes are compared, and the order of a stream's
 * events; the words only where `comparesWords`.
 */
export function differencesOf(
  recording: Recording,
  answer: RawAnswer,
  { comparesWords }: { readonly comparesWords: boolean },
): string[] {
  const found = setDifferences("header", recording.headerNames, answer.headerNames);
  if (answer.status !== recording.status) {
    found.push(`status ${recording.status} is ${answer.status}`);
  }
  const recorded = eventsOf(recording.body);
  const ours = eventsOf(answer.body.trim());
  if (recorded === undefined || ours === undefined) {
    if (recorded !== ours) found.push("body is no JSON");
    return found;
  }
  if (comparesWords) {
    if (JSON.stringify(recorded) !== JSON.stringify(ours)) found.push("words");
    return found;
  }
  return [...found, ...eventDifferences(recorded, ours)];
}

/** Members of one list and not of the other. */
export function setDifferences(
  what: string,
  recorded: readonly string[],
  ours: readonly string[],
): string[] {
  const [before, after] = [new Set(recorded), new Set(ours)];
  return [
    ...[...before].filter((name) => !after.has(name)).map((name) => `${what} - ${name}`),
    ...[...after].filter((name) => !before.has(name)).map((name) => `${what} + ${name}`),
  ];
}

interface Event {
  readonly name: string;
  readonly value: unknown;
}

/**
 * How often a kind of event comes is the text's business; in which order the kinds come first, and
 * in which order they come last, is the API's.
 */
function eventDifferences(recorded: readonly Event[], ours: readonly Event[]): string[] {
  const found = [true, false].flatMap((isFirst) => {
    const [before, after] = [kindsOf(recorded, isFirst), kindsOf(ours, isFirst)];
    if (before.length !== after.length) {
      return [`events ${before.map(nameOf).join(" ")} are ${after.map(nameOf).join(" ")}`];
    }
    return before.flatMap((kind, index) => setDifferences("member", kind, after[index] ?? []));
  });
  return [...new Set(found)];
}

/** The shapes of the events, each once, in the order of their first or last appearance. */
function kindsOf(events: readonly Event[], isFirst: boolean): string[][] {
  const kinds = events.map(({ name, value }) => [`event ${name}`, ...shapeOf(value)].toSorted());
  const keys = kinds.map((kind) => JSON.stringify(kind));
  return kinds.filter((_, index) => {
    const key = keys[index] ?? "";
    return (isFirst ? keys.indexOf(key) : keys.lastIndexOf(key)) === index;
  });
}

function nameOf(kind: readonly string[]): string {
  return `${kind.find((line) => line.startsWith("event "))?.slice(6) ?? ""}(${kind.length})`;
}
