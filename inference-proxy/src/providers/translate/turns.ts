import type { Part, Turn } from "./types.ts";

/** The results of one step's calls have to be in one message, before what the user says. */
export function joinResults(turns: readonly Turn[]): readonly Turn[] {
  const groups: Turn[][] = [];
  let takesMore = false;
  for (const turn of turns) {
    const isUsers = turn.role === "user";
    if (takesMore && isUsers) {
      groups.at(-1)?.push(turn);
    } else {
      groups.push([turn]);
      takesMore = isUsers && turn.parts.some(isResult);
    }
  }
  return groups.flatMap((group): readonly Turn[] => {
    if (group.length === 1) {
      return group;
    }
    const all = group.flatMap(({ parts }) => parts);
    return [
      {
        role: "user",
        parts: [...all.filter(isResult), ...all.filter((part) => !isResult(part))],
      },
    ];
  });
}

function isResult({ kind }: Part): boolean {
  return kind === "tool-result";
}
