import { seededRandom } from "@warmpath/runtime/base";
import type {
  GapKind,
  Segment,
  SessionPlan,
  SloClass,
  TurnPlan,
  Workload,
} from "../../workloads/types.ts";

/** A session in short: what each turn adds and answers. */
export interface SessionSketch {
  readonly id: string;
  readonly turns: readonly TurnSketch[];
  readonly tenant?: string;
  readonly sloClass?: SloClass;
  readonly startMs?: number;
  /** Segments before the first turn, e.g. a system prompt that sessions share. */
  readonly prefix?: readonly Segment[];
}

interface TurnSketch {
  readonly newTokens: number;
  readonly outputTokens: number;
  readonly gapMs?: number;
  readonly gapKind?: GapKind;
  readonly abortAfterTokens?: number;
  readonly children?: readonly SessionSketch[];
}

/** Plans with contents of their own, numbered from `firstContent` on. */
export function planSession(sketch: SessionSketch, contents: { next: number }): SessionPlan {
  const segments: Segment[] = [...(sketch.prefix ?? [])];
  const turns: TurnPlan[] = [];
  for (const [index, turn] of sketch.turns.entries()) {
    segments.push({ content: contents.next++, tokens: turn.newTokens });
    const promptSegments = segments.length;
    segments.push({ content: contents.next++, tokens: turn.outputTokens });
    turns.push({
      segments,
      promptSegments,
      promptTokens: segments.slice(0, promptSegments).reduce((sum, { tokens }) => sum + tokens, 0),
      outputTokens: turn.outputTokens,
      gapBeforeMs: turn.gapMs ?? 0,
      gapKind: turn.gapKind ?? (index === 0 ? "start" : "tool"),
      ...(turn.abortAfterTokens === undefined ? {} : { abortAfterTokens: turn.abortAfterTokens }),
      ...(turn.children === undefined
        ? {}
        : { children: turn.children.map((child) => planSession(child, contents)) }),
    });
  }
  return {
    id: sketch.id,
    tenant: sketch.tenant ?? "t",
    sloClass: sketch.sloClass ?? "agent",
    startMs: sketch.startMs ?? 0,
    turns,
  };
}

/** A workload of exactly these sessions, whatever the seed. */
export function workloadOf(name: string, sketches: readonly SessionSketch[]): Workload {
  return {
    name,
    about: "test",
    sessions: () => {
      const contents = { next: 1000 };
      return sketches.map((sketch) => planSession(sketch, contents));
    },
  };
}

/**
 * Endless small agents: a shared system prompt, a few turns with tools, some children and aborts.
 */
export const smallAgents: Workload = {
  name: "small-agents",
  about: "test",
  *sessions(seed) {
    const random = seededRandom(`small-agents/${seed}`);
    const contents = { next: 1000 };
    const between = (low: number, high: number) => Math.floor(low + (high - low) * random.next());
    const sketch = (id: string, mayFork: boolean, startMs: number): SessionSketch => ({
      id,
      tenant: `t${between(0, 4)}`,
      startMs,
      prefix: [{ content: between(1, 3), tokens: 640 }],
      turns: Array.from({ length: between(3, 10) }, (_, turn) => ({
        newTokens: between(40, 400),
        outputTokens: between(5, 60),
        gapMs: turn === 0 ? 0 : between(20, 2000),
        ...(random.next() < 0.03 ? { abortAfterTokens: 3 } : {}),
        ...(mayFork && random.next() < 0.05
          ? { children: [1, 2].map((child) => sketch(`${id}/${turn}.${child}`, false, 0)) }
          : {}),
      })),
    });
    for (let index = 0; ; index += 1) {
      yield planSession(sketch(`s${index}`, true, index * 500), contents);
    }
  },
};
