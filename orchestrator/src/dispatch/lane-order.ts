import type { LaneName } from "@warmpath/state/log";

/**
 * The order in which lanes are asked, turn by turn: each comes first in proportion to its weight,
 * spread evenly (smooth weighted round robin), so that batch is first in a bounded number of turns
 * under any backlog.
 */
export function createLaneOrder(weights: Readonly<Record<LaneName, number>>): () => LaneName[] {
  const lanes: { readonly lane: LaneName; readonly weight: number; credit: number }[] = [
    { lane: "interactive", weight: weights.interactive, credit: 0 },
    { lane: "standard", weight: weights.standard, credit: 0 },
    { lane: "batch", weight: weights.batch, credit: 0 },
  ];
  const total = lanes.reduce((sum, { weight }) => sum + weight, 0);
  return () => {
    for (const lane of lanes) lane.credit += lane.weight;
    const first = lanes.reduce((best, lane) => (lane.credit > best.credit ? lane : best));
    first.credit -= total;
    // Behind the first the order is by urgency: a turn without work in its lane goes to the most
    // urgent.
    return [first.lane, ...lanes.filter((lane) => lane !== first).map(({ lane }) => lane)];
  };
}
