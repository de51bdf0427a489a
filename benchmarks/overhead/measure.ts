import { type Contender, startMockUpstream } from "./contenders.ts";
import { isStopped, unlessStopped } from "./interrupt.ts";
import type {
  IdleResult,
  LeaveMoment,
  LeaveResult,
  RequestsResult,
  StreamsResult,
} from "./load/order.ts";
import { agingStreams, type OverheadPlan, type StreamPlan, streamBodyBytes } from "./plan.ts";
import { type LoadGenerator, type LoadTarget, startLoadGenerator } from "./run-load.ts";

/** One size of body. */
export interface BodyRound {
  readonly bytes: number;
  /** As fast as possible. */
  readonly closed: RequestsResult;
  /** At a fixed rate. */
  readonly open: RequestsResult;
}

/** One number of streams. */
export interface StreamRound extends StreamsResult {
  readonly plan: StreamPlan;
  /** Of the contender at rest, before the first streams of the plan. */
  readonly rest: IdleResult;
}

/** One way of leaving. */
export interface LeaveRound extends LeaveResult {
  readonly when: LeaveMoment;
}

/** Everything that one contender did in one round. */
export interface ContenderRound {
  readonly round: number;
  /** Place in this round's order, from 1. */
  readonly place: number;
  readonly contender: string;
  /** From its start to its first answer. */
  readonly readyMs: number;
  /** At rest, before the first load. */
  readonly idle: IdleResult;
  /** Whole answers of 1 KB in its first seconds, which nothing else is counted with. */
  readonly young: RequestsResult;
  readonly bodies: readonly BodyRound[];
  readonly streams: readonly StreamRound[];
  readonly leaves: readonly LeaveRound[];
}

/** A contender that did not get ready in some round, and what it said. */
export interface Fault {
  readonly round: number;
  readonly contender: string;
  readonly reason: string;
}

/** All rounds, and what could not be measured. */
export interface Measured {
  readonly rounds: readonly ContenderRound[];
  readonly faults: readonly Fault[];
}

/**
 * Measures every contender in every round, each started afresh, the order turned around each time.
 * One that breaks is left out of that round; the others go on. With `signal` it ends sooner, with
 * what is finished; a contender that was being started then ends with the process.
 */
export async function measureOverhead(
  contenders: readonly Contender[],
  plan: OverheadPlan,
  onProgress: (text: string) => void,
  signal?: AbortSignal,
): Promise<Measured> {
  const rounds: ContenderRound[] = [];
  const faults: Fault[] = [];
  for (let round = 1; round <= plan.rounds; round++) {
    const order = round % 2 === 1 ? contenders : contenders.toReversed();
    for (const [index, contender] of order.entries()) {
      if (isStopped(signal)) return { rounds, faults };
      const at = { round, place: index + 1, contender: contender.name };
      const tell = (phase: string) =>
        onProgress(
          `round ${round} of ${plan.rounds}, ${index + 1} of ${order.length}: ${contender.name}: ${phase}`,
        );
      try {
        rounds.push({ ...at, ...(await measureOne(contender, plan, tell, signal)) });
      } catch (error) {
        if (isStopped(signal)) break;
        const reason = error instanceof Error ? error.message : String(error);
        faults.push({ round, contender: contender.name, reason });
        tell(`failed: ${reason}`);
      }
    }
  }
  return { rounds, faults };
}

type Results = Pick<ContenderRound, "readyMs" | "idle" | "young" | "bodies" | "streams" | "leaves">;

async function measureOne(
  contender: Contender,
  plan: OverheadPlan,
  tell: (phase: string) => void,
  signal: AbortSignal | undefined,
): Promise<Results> {
  const { bodies, streams, leave, ...sizes } = plan;
  if (!plan.freshParts || streams.length === 0) return measureParts(contender, plan, tell, signal);
  // What one part leaves behind, memory or work, is not charged to the other.
  const withoutStreams = { ...plan, streams: [] };
  const requests = await measureParts(contender, withoutStreams, tell, signal);
  const onlyStreams = { ...sizes, bodies: [], streams };
  const rest = await measureParts(contender, onlyStreams, tell, signal);
  return { ...requests, streams: rest.streams };
}

/** All parts of a plan on one start of a contender. */
async function measureParts(
  contender: Contender,
  plan: OverheadPlan,
  tell: (phase: string) => void,
  signal: AbortSignal | undefined,
): Promise<Results> {
  signal?.throwIfAborted();
  const upstream = await startMockUpstream();
  try {
    tell("starting");
    const startMs = performance.now();
    const started = await unlessStopped(contender.start(upstream.url), signal);
    const readyMs = performance.now() - startMs;
    const load = startLoadGenerator(signal);
    try {
      const target: LoadTarget = {
        url: started.url,
        headers: started.headers,
        mockUrl: upstream.url,
        mockPid: upstream.pid,
        ...(started.pid === undefined ? {} : { contenderPid: started.pid }),
      };
      tell("at rest");
      const idle = await settle(load, target, plan);
      const leaves = await measureLeaves(load, target, plan, tell);
      const young = await age(load, target, plan, tell);
      const bodies = await measureBodies(load, target, plan, tell);
      const streams = await measureStreams(load, target, plan, tell);
      return { readyMs, idle, young, leaves, bodies, streams };
    } finally {
      await load.stop();
      await started.stop();
    }
  } finally {
    await upstream.stop();
  }
}

/** One part of a plan on a started contender. */
type Part<Result> = (
  load: LoadGenerator,
  target: LoadTarget,
  plan: OverheadPlan,
  tell: (phase: string) => void,
) => Promise<readonly Result[]>;

const leaveMoments: readonly LeaveMoment[] = ["midway", "before-first", "before-whole"];

const measureLeaves: Part<LeaveRound> = async (load, target, { leave }, tell) => {
  const leaves: LeaveRound[] = [];
  for (const when of leaveMoments) {
    if (leave === undefined) break;
    tell(`callers that leave: ${when}`);
    const common = { ...target, bodyBytes: streamBodyBytes, ...leave };
    leaves.push({ when, ...(await load.run({ ...common, kind: "leave", when })) });
  }
  return leaves;
};

/** See `agingMs`; returns what the first requests cost. */
async function age(
  load: LoadGenerator,
  target: LoadTarget,
  plan: OverheadPlan,
  tell: (phase: string) => void,
): Promise<RequestsResult> {
  tell("aging");
  const common = { ...target, bodyBytes: streamBodyBytes };
  const { connections, agingMs } = plan;
  const closed = { ...common, kind: "closed", connections, warmupMs: 0 } as const;
  const young = await load.run({ ...closed, durationMs: agingMs });
  await load.run({ ...common, ...agingStreams, kind: "streams", durationMs: agingMs });
  await settle(load, target, plan);
  return young;
}

const measureBodies: Part<BodyRound> = async (load, target, plan, tell) => {
  const { connections, warmupMs, durationMs } = plan;
  const bodies: BodyRound[] = [];
  for (const { bytes, ratePerSecond } of plan.bodies) {
    tell(`bodies of ${bytes / 1000} KB`);
    const common = { ...target, bodyBytes: bytes, warmupMs, durationMs };
    const closed = await load.run({ ...common, kind: "closed", connections });
    if (closed.unfinished > 0) await settle(load, target, plan);
    const open = await load.run({ ...common, kind: "open", ratePerSecond });
    if (open.unfinished > 0) await settle(load, target, plan);
    bodies.push({ bytes, closed, open });
  }
  return bodies;
};

const measureStreams: Part<StreamRound> = async (load, target, plan, tell) => {
  const streams: StreamRound[] = [];
  if (plan.streams.length === 0) return streams;
  const rest = await settle(load, target, plan);
  for (const each of plan.streams) {
    tell(`${each.streams} streams`);
    const common = { ...target, bodyBytes: streamBodyBytes, durationMs: plan.streamsMs };
    const measured = await load.run({ ...common, ...each, kind: "streams" });
    if (measured.unfinished > 0) await settle(load, target, plan);
    streams.push({ plan: each, rest, ...measured });
  }
  return streams;
};

const lookMsMax = 500;
/** Share of a core below which a contender has nothing left to do. */
const restMax = 0.1;

/** Waits until a contender does nothing any more, or for so long; returns the last look. */
async function settle(
  load: LoadGenerator,
  target: LoadTarget,
  plan: OverheadPlan,
): Promise<IdleResult> {
  const durationMs = Math.min(lookMsMax, plan.durationMs);
  const deadlineMs = performance.now() + plan.settleMsMax;
  for (;;) {
    const look = await load.run({ ...target, kind: "idle", bodyBytes: 0, durationMs });
    const { cpuMs = 0, wallMs } = look.usage;
    if (cpuMs / wallMs < restMax || performance.now() >= deadlineMs) return look;
  }
}
