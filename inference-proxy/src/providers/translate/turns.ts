import type { Part, Turn } from "./types.ts";

/** The results of one step's calls have to be in one message, before what the user says. */
export function joinResults(turns: readonly Turn[]): readonly Turn[] {
  const joined: { role: Turn["role"]; parts: readonly Part[] }[] = [];
  for (const { role, parts } of turns) {
    const last = joined.at(-1);
    if (last?.role === "user" && role === "user" && last.parts.some(isResult)) {
      const all = [...last.parts, ...parts];
      last.parts = [...all.filter(isResult), ...all.filter((part) => !isResult(part))];
    } else {
      joined.push({ role, parts });
    }
  }
  return joined;
}

function isResult({ kind }: Part): boolean {
  return kind === "tool-result";
}
