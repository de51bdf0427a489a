import { dataTable, policyName } from "../data-table.ts";
import { html, type Markup } from "../html.ts";
import type { PolicyStyle } from "../policy-style.ts";

const terms: readonly (readonly [string, string])[] = [
  [
    "Saturation",
    "a fixed number of job slots; the next session starts when one ends. Shows capacity, hides queueing.",
  ],
  [
    "Open load",
    "sessions arrive at a fixed rate whatever the fleet does; turns inside a session wait for the one before. Shows latency.",
  ],
  [
    "KV demand ÷ capacity",
    "tokens that the sessions under way keep to themselves, over the KV tokens of the fleet. Above 1 not every session can stay cached.",
  ],
  [
    "TTFT",
    "time to first token: from handing the turn to the router, time held there included, until the client has the first token.",
  ],
  [
    "ITL, per token",
    "gap between tokens; per token = (end − first token) ÷ (tokens − 1) of a turn.",
  ],
  ["JCT", "job completion time: first turn sent to last turn ended, tools and people included."],
  [
    "Hits ÷ bound",
    "cached prompt tokens as a share of what one infinite cache for the whole fleet would have served of exactly these turns.",
  ],
  [
    "oracle",
    "places by the true caches and the true backlog in seconds, and admits sessions while their exact blocks fit. The best that this lab knows how to do, not a proof: it trades waiting first turns for throughput.",
  ],
  [
    "∞ cache",
    "no policy, but the peak rate with the cache intact: replicas whose KV cache never fills, placed by true work and cache.",
  ],
  [
    "Virtual time",
    "the engines are a model of vLLM V1 (see the engine’s README for what it leaves out); nothing here ran on a GPU.",
  ],
];

/** Who is who, and what each word means. */
export function definitionSection(styles: readonly PolicyStyle[]): Markup {
  const rows = styles.map((style) => ({
    style,
    heading: policyName(style),
    cells: [
      html`<span class="prose">${style.facts?.about ?? "Replicas whose KV cache never fills: the peak rate."}</span>`,
      html`<span class="prose">${style.facts?.source ?? "this lab"}</span>`,
    ],
  }));
  return html`<section id="terms" aria-labelledby="terms-h"><h2 id="terms-h">Policies and terms</h2>
${dataTable("Each policy is implemented from its published definition", ["policy", "what it does", "source"], rows)}
<dl class="terms">${terms.map(([term, meaning]) => html`<div><dt>${term}</dt><dd>${meaning}</dd></div>`)}</dl></section>`;
}
