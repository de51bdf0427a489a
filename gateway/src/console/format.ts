import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Usage } from "@warmpath/proto/common";

const nanodollarsPerDollar = 1e9;

/** Money with as many decimals as a small amount needs: $0.0123, $1.20. */
export function formatCost(nanodollars: bigint): string {
  const dollars = Number(nanodollars) / nanodollarsPerDollar;
  if (dollars === 0) {
    return "$0";
  }
  return dollars >= 1
    ? `$${dollars.toFixed(2)}`
    : `$${Number(dollars.toPrecision(2)).toFixed(decimals(dollars))}`;
}

/** Two significant digits, and no fewer than cents. */
function decimals(dollars: number): number {
  return Math.min(9, Math.max(2, 1 - Math.floor(Math.log10(dollars))));
}

/** A count with thin groups: 12 345. */
export function formatCount(count: bigint | number): string {
  return count.toLocaleString("en-US").replaceAll(",", "\u202f");
}

/** Share of the prompt that was served from the prefix cache, such as "64 %". */
export function formatCachedShare({ inputTokens, cachedInputTokens }: Usage): string {
  const share = inputTokens === 0n ? 0 : Number(cachedInputTokens) / Number(inputTokens);
  return `${Math.round(share * 100)}\u202f%`;
}

/** Milliseconds below a second, seconds above. */
export function formatDuration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** How long ago, in one word: "now", "5 min", "3 h", "2 d". */
export function formatAge(time: Timestamp | undefined, nowMs: number): string {
  if (time === undefined) {
    return "";
  }
  const minutes = Math.floor((nowMs / 1000 - Number(time.seconds)) / 60);
  if (minutes < 1) {
    return "now";
  }
  if (minutes < 60) {
    return `${minutes} min`;
  }
  return minutes < 60 * 24 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

/**
 * JSON text indented for reading, line breaks inside its texts shown as such; other text as it is.
 */
export function formatJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2).replaceAll("\\n", "\n");
  } catch {
    return text;
  }
}
