import { type Bar, barOf } from "../../report/bars.ts";
import type { CacheCurve } from "./cache-curve.ts";

/** What is known of a released trace. Shares in percent, to one decimal. */
interface PublishedBound {
  readonly name: string;
  readonly requests: number;
  readonly blocks: number;
  readonly uniqueBlocks: number;
  readonly blockHits: number;
  readonly tokenHits: number;
}

/**
 * Infinite-cache bounds of the traces of Mooncake's FAST'25 release (kvcache-ai/Mooncake). The
 * paper's own figures are rounder: about 40 % and 66 %.
 */
const publishedBounds: readonly PublishedBound[] = [
  {
    name: "conversation",
    requests: 12_031,
    blocks: 288_500,
    uniqueBlocks: 182_790,
    blockHits: 36.6,
    tokenHits: 37.4,
  },
  {
    name: "synthetic",
    requests: 3_993,
    blocks: 121_877,
    uniqueBlocks: 43_924,
    blockHits: 64,
    tokenHits: 65.1,
  },
];

/** Half of the last decimal, and what subtraction adds to it. */
const roundingPercent = 0.0501;

/** Holds a trace's bound against the published one; empty for a trace that nobody published. */
export function boundBars({
  requests,
  blocks,
  uniqueBlocks,
  infinite,
}: CacheCurve): readonly Bar[] {
  const known = publishedBounds.find(
    (bound) => bound.requests === requests && bound.blocks === blocks,
  );
  if (known === undefined) return [];
  const off = (share: number, percent: number) => Math.abs(100 * share - percent);
  const named = (what: string) => `${known.name} trace, infinite cache: ${what}`;
  return [
    barOf(
      named(`blocks hit, points off ${known.blockHits} %`),
      off(infinite.blockHits, known.blockHits),
      "<=",
      roundingPercent,
    ),
    barOf(
      named(`tokens hit, points off ${known.tokenHits} %`),
      off(infinite.tokenHits, known.tokenHits),
      "<=",
      roundingPercent,
    ),
    barOf(
      named(`distinct blocks, off ${known.uniqueBlocks}`),
      Math.abs(uniqueBlocks - known.uniqueBlocks),
      "<=",
      0,
    ),
  ];
}
