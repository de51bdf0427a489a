import type { Calendar } from "./types.ts";

/** One day or month of UTC. */
export interface Window {
  /** `2026-11-21` or `2026-11`: all proxies have the same. */
  readonly name: string;
  /** Until it is over, in ms. */
  readonly leftMs: number;
}

const nameChars = { day: "2026-11-21".length, month: "2026-11".length } as const;

/** The one that `wallMs` is in. */
export function windowAt(calendar: Calendar, wallMs: number): Window {
  const now = new Date(wallMs);
  const [year, month, day] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()];
  const endMs = calendar === "day" ? Date.UTC(year, month, day + 1) : Date.UTC(year, month + 1);
  return { name: now.toISOString().slice(0, nameChars[calendar]), leftMs: endMs - wallMs };
}
