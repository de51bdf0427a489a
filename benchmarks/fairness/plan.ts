import { chatShape, largeShape, smallShape, type TenantLoad } from "./loads.ts";

/** How much is run. */
export interface FairnessPlan {
  readonly replicas: number;
  readonly seeds: readonly number[];
  /** Virtual ms of each run before anything is counted, and counted. */
  readonly warmupMs: number;
  readonly measuredMs: number;
  /** Connections of a tenant that is to be backlogged. */
  readonly connections: number;
}

/** So many connections of one tenant fill two replicas at default settings, and some wait. */
const backloggedConnections = 500;

export const fullPlan: FairnessPlan = {
  replicas: 2,
  seeds: [1, 2, 3, 4, 5],
  warmupMs: 30_000,
  measuredMs: 120_000,
  connections: backloggedConnections,
};
export const quickPlan: FairnessPlan = { ...fullPlan, seeds: [1, 2], measuredMs: 60_000 };
export const tinyPlan: FairnessPlan = {
  ...fullPlan,
  seeds: [1],
  warmupMs: 2000,
  measuredMs: 4000,
};

/** Two tenants that always have somebody waiting: what does each get? */
export interface ShareCase {
  readonly name: string;
  readonly about: string;
  readonly loads: readonly [TenantLoad, TenantLoad];
}

/** A light tenant, and what its neighbour does; p95 of the light one is held against `beside`'s. */
export interface NoiseCase {
  readonly name: string;
  readonly about: string;
  readonly light: TenantLoad;
  /** Undefined: nobody else is there. */
  readonly beside: TenantLoad | undefined;
  readonly noisy: TenantLoad;
  /** False: shown, and held to nothing. */
  readonly hasBar: boolean;
}

const stream = { isStream: true } as const;

export function shareCases({ connections }: FairnessPlan): readonly ShareCase[] {
  const one = { tenant: "one", shape: chatShape, arrivals: { connections }, ...stream };
  const other = { ...one, tenant: "other" };
  return [
    { name: "equal", about: "the same calls and connections", loads: [one, other] },
    {
      name: "sizes",
      about: "one's calls are about eight times as large as the other's",
      loads: [
        { ...one, shape: largeShape },
        { ...other, shape: smallShape },
      ],
    },
    {
      name: "whole",
      about: "one's answers are streams, the other's come whole",
      loads: [one, { ...other, isStream: false }],
    },
    {
      name: "connections",
      about: "one has ten times the other's connections: four times what the queue holds",
      loads: [{ ...one, arrivals: { connections: 10 * connections } }, other],
    },
  ];
}

/** Jobs of one tenant, short and long ones, while there are more than places. */
export function programLoad({ connections }: FairnessPlan): TenantLoad {
  return {
    tenant: "one",
    shape: smallShape,
    arrivals: { connections: 2 * connections },
    ...stream,
    // Three of four have two to five calls, the others 30 to 60.
    callsOfProgram: {
      points: [
        [0, 2],
        [0.75, shortCallsMax],
        [0.76, 30],
        [1, 60],
      ],
    },
  };
}

/** Calls of a short job. */
export const shortCallsMax = 5;

/** Calls a second that keep a few requests under way; the fleet can serve about 50. */
const lightCallsPerSecond = 1.5;
const tenfold = 10;
/** Just below the places of two replicas, and two and six times as many. */
const fitting = 480;
const backlogs = [1000, 3000];

export function noiseCases(): readonly NoiseCase[] {
  const light = {
    tenant: "light",
    shape: chatShape,
    arrivals: { callsPerSecond: lightCallsPerSecond },
    ...stream,
  };
  const neighbour = (arrivals: TenantLoad["arrivals"]): TenantLoad => ({
    ...light,
    tenant: "neighbour",
    arrivals,
  });
  const busy = neighbour({ connections: fitting });
  return [
    {
      name: "tenfold",
      about: "the neighbour sends ten times as many calls; against nobody there",
      light,
      beside: undefined,
      noisy: neighbour({ callsPerSecond: tenfold * lightCallsPerSecond }),
      hasBar: true,
    },
    ...backlogs.map((connections) => ({
      name: `backlog_${connections}`,
      about: `the neighbour has ${connections} connections; against ${fitting}, which just fit`,
      light,
      beside: busy,
      noisy: neighbour({ connections }),
      hasBar: true,
    })),
    {
      name: "full_house",
      about: `the neighbour has ${backlogs[0]} connections; against nobody there`,
      light,
      beside: undefined,
      noisy: neighbour({ connections: backlogs[0] ?? 0 }),
      hasBar: false,
    },
  ];
}
