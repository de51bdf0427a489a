import type { TenantResult } from "../result.ts";
import type { LiveTurn } from "./attempt.ts";

/** What each tenant got. */
export interface TenantBooks {
  prefilled(turn: LiveTurn, tokens: number): void;
  ended(turn: LiveTurn, nowMs: number): void;
  finish(): { readonly tenants: readonly TenantResult[]; readonly jain: number };
}

interface Row {
  turns: number;
  prefillTokens: number;
  outputTokens: number;
  /** Σ idle time ÷ measured time. */
  speeds: number;
}

/** Empty books; `idleTurnMs` is what a turn would take alone, with everything cached. */
export function createTenantBooks(idleTurnMs: (turn: LiveTurn) => number): TenantBooks {
  const rows = new Map<string, Row>();
  const rowOf = ({ session }: LiveTurn): Row => {
    const { tenant } = session.plan;
    const row = rows.get(tenant) ?? { turns: 0, prefillTokens: 0, outputTokens: 0, speeds: 0 };
    rows.set(tenant, row);
    return row;
  };
  return {
    prefilled: (turn, tokens) => {
      rowOf(turn).prefillTokens += tokens;
    },
    ended: (turn, nowMs) => {
      const row = rowOf(turn);
      row.turns += 1;
      row.outputTokens += turn.outputTokens;
      row.speeds += Math.min(1, idleTurnMs(turn) / Math.max(1e-6, nowMs - turn.sentMs));
    },
    finish: () => {
      const tenants = [...rows]
        .map(([tenant, { speeds, ...row }]) => ({
          tenant,
          ...row,
          speed: row.turns === 0 ? 0 : speeds / row.turns,
        }))
        .sort((a, b) => (a.tenant < b.tenant ? -1 : 1));
      return { tenants, jain: jainOf(tenants.map(({ speed }) => speed)) };
    },
  };
}

/** Jain's index (Σx)² ÷ (n·Σx²): 1 when all are equal, 1/n when one has everything. */
export function jainOf(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  const squares = values.reduce((total, value) => total + value * value, 0);
  return squares === 0 ? 1 : (sum * sum) / (values.length * squares);
}
