import type { Timeline } from "../../result.ts";
import { formatShare, formatValue } from "../figures.ts";
import { html, type Markup } from "../html.ts";
import { type Panel, panelTitle, rowAt } from "../panels.ts";
import type { PolicyStyle } from "../policy-style.ts";
import { heatStrips } from "../svg/heat-strips.ts";

/** Policies whose strips are open when the page is: the plain ones and ours. */
const openFirst: readonly string[] = ["least-loaded", "session-hash", "warmpath"];

/** What happened on each replica over time, for the first seed at the focus demand. */
export function timelineSection(panel: Panel): Markup | undefined {
  const found = panel.styles.flatMap((style) => {
    const cells = rowAt(panel, style, panel.focus)?.cells ?? [];
    const timeline = cells.find((cell) => cell.timeline !== undefined)?.timeline;
    return timeline === undefined ? [] : [{ style, timeline }];
  });
  if (found.length === 0) return undefined;
  // One scale for all policies, or an overloaded fleet would look like a calm one.
  const gauges = found.flatMap(({ timeline }) => timeline.replicas);
  const mostRunning = Math.max(1, ...gauges.flatMap(({ running }) => running));
  const mostWaiting = Math.max(1, ...gauges.flatMap(({ waiting }) => waiting));
  const shown = found.filter(({ style }) => openFirst.includes(style.name));
  const blocks = found.map(({ style, timeline }, index) => {
    const isOpen = shown.length > 0 ? openFirst.includes(style.name) : index < 2;
    const figures = [
      kvStrips(panel, style, timeline),
      countStrips(panel, style, timeline, "running", mostRunning),
      countStrips(panel, style, timeline, "waiting", mostWaiting),
    ];
    return html`<details class="${style.key}"${isOpen ? html` open` : undefined}><summary>${style.name}<small>${heldNote(timeline)}</small></summary><div class="charts">${figures}</div></details>`;
  });
  return html`<h4 id="${panel.id}-time">Replicas over time at demand ${panel.focus}</h4>
<p class="quiet">One strip for each replica, first seed, warm-up included; darker is more, on one scale for all policies (requests running: up to ${mostRunning}; waiting: up to ${mostWaiting}).</p>${blocks}`;
}

function heldNote({ held }: Timeline): string {
  const most = Math.max(0, ...held);
  return most === 0 ? "" : ` – up to ${most} turns held in the router`;
}

function kvStrips(panel: Panel, style: PolicyStyle, timeline: Timeline): Markup {
  return heatStrips({
    id: `${panel.id}-t-kv-${style.key}`,
    title: "KV blocks in use",
    description: `Share of KV blocks that requests hold, ${style.name}, ${panelTitle(panel)}: mean ${formatShare(meanOf(timeline.replicas.map(({ kvUsage }) => kvUsage)))}.`,
    rows: timeline.replicas.map(({ kvUsage }) => kvUsage),
    everyMs: timeline.everyMs,
    full: 1,
  });
}

function countStrips(
  panel: Panel,
  style: PolicyStyle,
  { replicas, everyMs }: Timeline,
  gauge: "running" | "waiting",
  full: number,
): Markup {
  const rows = replicas.map((replica) => replica[gauge]);
  return heatStrips({
    id: `${panel.id}-t-${gauge}-${style.key}`,
    title: `Requests ${gauge}`,
    description: `Requests ${gauge} on each replica, ${style.name}, ${panelTitle(panel)}: mean ${formatValue(meanOf(rows))}, most ${Math.max(0, ...rows.flat())}.`,
    rows,
    everyMs,
    full,
  });
}

function meanOf(rows: readonly (readonly number[])[]): number {
  const values = rows.flat();
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
