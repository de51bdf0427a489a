import type { Estimate } from "../aggregate.ts";

/** Three significant digits, thousands separated; "–" for what was not measured. */
export function formatValue(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && size < 0.001) return value.toExponential(1);
  const decimals = size === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(size)));
  return value.toLocaleString("en-US", {
    minimumFractionDigits: 0,
    maximumFractionDigits: Math.min(4, decimals),
  });
}

/** A time in ms with the unit that reads best. */
export function formatMs(ms: number): string {
  if (!Number.isFinite(ms)) return "–";
  if (Math.abs(ms) >= 120_000) return `${formatValue(ms / 60_000)} min`;
  return Math.abs(ms) >= 1000 ? `${formatValue(ms / 1000)} s` : `${formatValue(ms)} ms`;
}

/** A share as per cent, one decimal below 10 %. */
export function formatShare(share: number): string {
  if (!Number.isFinite(share)) return "–";
  const percent = share * 100;
  return `${percent.toFixed(Math.abs(percent) < 9.95 && percent !== 0 ? 1 : 0)} %`;
}

/** How figures of a unit are written. */
export function formatterOf(unit: string): (value: number) => string {
  if (unit === "ms") return formatMs;
  return unit === "share" ? formatShare : formatValue;
}

/**
 * "3.20 ± 0.12" in the unit's notation, both to two digits of the interval; without an interval for
 * a single seed.
 */
export function formatEstimate({ mean, halfWidth }: Estimate, unit: string): string {
  if (!Number.isFinite(mean)) return "–";
  if (!Number.isFinite(halfWidth)) return formatterOf(unit)(mean);
  const { divisor, suffix } = notationOf(mean, unit);
  const half = halfWidth / divisor;
  const digits = half > 0 ? 1 - Math.floor(Math.log10(half)) : 3 - digitsBefore(mean / divisor);
  const decimals = Math.min(4, Math.max(0, digits));
  const written = (value: number) =>
    value.toLocaleString("en-US", {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    });
  return `${written(mean / divisor)} ± ${written(half)}${suffix}`;
}

function notationOf(value: number, unit: string): { divisor: number; suffix: string } {
  const size = Math.abs(value);
  if (unit === "share") return { divisor: 0.01, suffix: " %" };
  if (unit !== "ms") return { divisor: 1, suffix: "" };
  if (size >= 120_000) return { divisor: 60_000, suffix: " min" };
  return size >= 1000 ? { divisor: 1000, suffix: " s" } : { divisor: 1, suffix: " ms" };
}

function digitsBefore(value: number): number {
  return value === 0 ? 1 : Math.floor(Math.log10(Math.abs(value))) + 1;
}
