/** One way in which the replica is not like a recorded vLLM, on purpose or for want of better. */
export interface Difference {
  /** Short and unique; the README calls it by this name. */
  readonly id: string;
  /** Names of the recordings; `*` stands for any run of characters. */
  readonly recordings: string;
  /** What differs, as `compare.ts` says it; `*` as above. */
  readonly what: readonly string[];
  readonly why: string;
}

/** All differences that remain. The test fails on others, and on those that are none any more. */
export const differences: readonly Difference[] = [
  {
    id: "mark of a simulation",
    recordings: "*",
    what: ["header + x-simulated"],
    why: "whoever meets an answer must be able to see that no model wrote it",
  },
  {
    id: "mark of a simulation in /version",
    recordings: "version.http",
    what: ["member + simulated: boolean"],
    why: "as above, for who asks before using it",
  },
  {
    id: "where JSON is malformed",
    recordings: "err-malformed-json.http",
    what: ["words"],
    why: "the parser here does not say at which byte it stopped; status, type and form are the same",
  },
  {
    id: "one data-parallel rank",
    recordings: "dp2-kv_event_sources.http",
    what: ["member - 1: object", "member - 1.*"],
    why: "a replica is one engine; two ranks are two replicas",
  },
  {
    id: "/server_info",
    recordings: "dev-server_info.http",
    what: ["status 200 is 404", "body is no JSON"],
    why: "25 KB about one machine's installation, which no client of the engine reads; the recording is cut",
  },
  {
    id: "metrics of the process",
    recordings: "metrics-*",
    what: ["family - python_*", "family - process_*", "series - python_*", "series - process_*"],
    why: "they tell of a Python server that is not there",
  },
  {
    id: "sampled block lifetimes",
    recordings: "metrics-preempting",
    what: ["family - vllm:kv_block_*", "series - vllm:kv_block_*"],
    why: "vLLM has them only with `--kv-cache-metrics`, which is not modelled",
  },
  {
    id: "tool parser always on",
    recordings: "metrics-preempting",
    what: ["family + vllm:tool_call_parser_*", "series + vllm:tool_call_parser_*"],
    why: "that server had no `--enable-auto-tool-choice`; the replica parses calls without being told to",
  },
];

/** Requests that need other numbers to get into the recorded situation. */
export const changedRequests: Readonly<
  Record<string, { readonly from: string; readonly to: string; readonly why: string }>
> = {
  "chat-tools-required.http": {
    from: '"max_tokens": 200',
    to: '"max_tokens": 12',
    why: "the recorded call was cut by `max_tokens`; the script's is shorter",
  },
  "chat-tools-required-stream.http": {
    from: '"max_tokens": 200',
    to: '"max_tokens": 23',
    why: "as above, inside the arguments",
  },
  "err-completions-token-out-of-vocab.http": {
    from: "99999",
    to: "999999",
    why: "the vocabulary is larger than the tiny model's",
  },
};

/** Both tables as the README shows them. */
export function differencesTable(): string {
  const rows = differences.map(
    ({ id, recordings, what, why }) =>
      `| ${id} | ${code(recordings)} | ${what.map(code).join(", ")} | ${why} |`,
  );
  const changes = Object.entries(changedRequests).map(
    ([name, { from, to, why }]) => `| ${code(name)} | ${code(from)} | ${code(to)} | ${why} |`,
  );
  return [
    "| what | recordings | differs in | why |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
    "| request | recorded with | replayed with | why |",
    "| --- | --- | --- | --- |",
    ...changes,
    "",
  ].join("\n");
}

function code(text: string): string {
  return `\`${text.replaceAll("|", "\\|")}\``;
}
