import { formatNumber, formatTable } from "./table.ts";

/** One figure that an issue sets a bar for. */
export interface Bar {
  readonly name: string;
  readonly value: number;
  /** In words and numbers, e.g. `<= 0.1`. */
  readonly bar: string;
  readonly ok: boolean;
}

type Comparison = "<=" | ">=";

/** Holds a value against its bar. NaN never passes. */
export function barOf(name: string, value: number, comparison: Comparison, limit: number): Bar {
  const ok = comparison === "<=" ? value <= limit : value >= limit;
  return { name, value, bar: `${comparison} ${limit}`, ok };
}

/** Bars as a table, or one JSON line each. */
export function formatBars(bars: readonly Bar[], { json }: { readonly json: boolean }): string {
  if (json) return bars.map((bar) => JSON.stringify(bar)).join("\n");
  return formatTable(
    ["bar", "value", "wanted", ""],
    bars.map(({ name, value, bar, ok }) => [
      name,
      formatNumber(value, 3),
      bar,
      ok ? "ok" : "MISSED",
    ]),
  );
}

/** The status a bench ends with: 1 when a bar is missed. */
export function exitCodeOf(bars: readonly Bar[]): 0 | 1 {
  return bars.every(({ ok }) => ok) ? 0 : 1;
}
