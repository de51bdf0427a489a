/** Which differences are known: the replica's own table, and what only a live run brings. */
import { type Difference, differences } from "../recorded/differences.ts";
import type { HttpFinding } from "./compare-http.ts";

/** Differences that recordings cannot show, because they are cut or were made with other flags. */
export const liveDifferences: readonly Difference[] = [
  {
    id: "/server_info, whole",
    recordings: "dev-server_info.http",
    what: ["member *"],
    why: "as for the recording, which is cut: it tells of one installation",
  },
  {
    id: "tool parser always on, live",
    recordings: "metrics-* B",
    what: ["family + vllm:tool_call_parser_*", "series + vllm:tool_call_parser_*"],
    why: "server B has no `--enable-auto-tool-choice`; the replica parses calls without being told to",
  },
  {
    id: "metrics of sleeping",
    recordings: "metrics-after B",
    what: ["family - vllm:sleep_mode_*", "series - vllm:sleep_mode_*"],
    why: "vLLM has them once it was put to sleep, and the replica only answers as if it slept",
  },
];

/** What a table allows of some findings. */
export interface Judged {
  readonly listed: readonly { readonly name: string; readonly what: string; readonly id: string }[];
  readonly unlisted: readonly { readonly name: string; readonly what: string }[];
}

/** Sorts differences into those that some table lists and those that none does. */
export function judge(
  findings: readonly HttpFinding[],
  tables: readonly Difference[] = [...differences, ...liveDifferences],
): Judged {
  const all = findings.flatMap(({ name, differences: found }) =>
    found.map((what) => ({ name, what, id: idOf(tables, name, what) })),
  );
  return {
    listed: all.flatMap(({ id, ...rest }) => (id === undefined ? [] : [{ ...rest, id }])),
    unlisted: all.flatMap(({ id, ...rest }) => (id === undefined ? [rest] : [])),
  };
}

function idOf(tables: readonly Difference[], name: string, what: string): string | undefined {
  return tables.find(
    (entry) => matches(entry.recordings, name) && entry.what.some((each) => matches(each, what)),
  )?.id;
}

/** `*` stands for any run of characters. */
function matches(pattern: string, text: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s").test(text);
}
