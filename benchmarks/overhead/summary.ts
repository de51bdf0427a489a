import { medianOf, spreadOf } from "../report/statistics.ts";
import type { RequestsResult, StreamsResult, Usage } from "./load/order.ts";
import type { BodyRound, ContenderRound, LeaveRound, StreamRound } from "./measure.ts";

/** The contender that ratios are taken to beside `direct`. */
export const plainProxy = "nginx";

/** Medians over the rounds of one contender and one size of body. */
export interface BodySummary {
  readonly contender: string;
  readonly bytes: number;
  readonly requestsPerSecond: number;
  readonly spread: number;
  readonly toDirect: number | undefined;
  readonly toNginx: number | undefined;
  readonly cpuUs: number | undefined;
  readonly cpuToNginx: number | undefined;
  readonly openCpuUs: number | undefined;
  readonly p50Us: number;
  readonly addedP50Us: number | undefined;
  readonly addedP99Us: number | undefined;
  readonly rssMib: number | undefined;
  readonly failures: number;
  readonly remark: string;
}

/** Medians over the rounds of one contender and one number of streams. */
export interface StreamSummary {
  readonly contender: string;
  readonly streams: number;
  readonly tokensPerSecond: number;
  /** Tokens that arrived of those that were due. */
  readonly delivered: number;
  readonly ttftP50Us: number;
  readonly addedTtftP50Us: number | undefined;
  readonly addedTtftP99Us: number | undefined;
  readonly relayP50Us: number;
  readonly relayP99Us: number;
  readonly jitterP50Us: number;
  readonly jitterP99Us: number;
  readonly cpuUs: number | undefined;
  readonly cpuToNginx: number | undefined;
  readonly rssMib: number | undefined;
  /** Memory beyond that of the contender at rest, a stream. */
  readonly rssKibEach: number | undefined;
  readonly failures: number;
  readonly remark: string;
}

/** One contender and one way of leaving; the worst round, because one is enough to cost money. */
export interface LeaveSummary {
  readonly contender: string;
  readonly when: LeaveRound["when"];
  readonly streams: number;
  readonly cut: number;
  readonly tokensPerStream: number;
  readonly tokensAfterLeaving: number;
  readonly failures: number;
}

/** Medians over the rounds of one contender at rest. */
export interface IdleSummary {
  readonly contender: string;
  readonly readyMs: number;
  /** Share of one core. */
  readonly cpuShare: number | undefined;
  readonly rssMib: number | undefined;
}

/** Share of one core from which on the harness is said to be what limits. */
const busyMin = 0.9;
/** Less than this share of what was due is called saturated. */
const deliveredMin = 0.97;

/** Medians of one contender and size. Ratios and differences are taken round by round. */
export function summariseBody(
  rounds: readonly ContenderRound[],
  contender: string,
  bytes: number,
): BodySummary {
  const pick = (name: string) => pickBodies(rounds, name, bytes);
  const own = pick(contender);
  const median = (of: (each: BodyRound) => number | undefined) => medianBy([...own.values()], of);
  const against = (name: string, of: (own: BodyRound, base: BodyRound) => number | undefined) =>
    medianAgainst(own, pick(name), of);
  const rates = [...own.values()].map(({ closed }) => closed.requestsPerSecond);
  const results = [...own.values()].flatMap(({ closed, open }) => [closed, open]);
  const failures = results.reduce((sum, each) => sum + each.failures, 0);
  return {
    contender,
    bytes,
    requestsPerSecond: medianOf(rates),
    spread: spreadOf(rates),
    toDirect: against(
      "direct",
      (mine, base) => mine.closed.requestsPerSecond / base.closed.requestsPerSecond,
    ),
    toNginx: against(
      plainProxy,
      (mine, base) => mine.closed.requestsPerSecond / base.closed.requestsPerSecond,
    ),
    cpuUs: median(({ closed }) => cpuUsEach(closed.usage, closed.requests)),
    cpuToNginx: against(plainProxy, (mine, base) =>
      ratio(
        cpuUsEach(mine.closed.usage, mine.closed.requests),
        cpuUsEach(base.closed.usage, base.closed.requests),
      ),
    ),
    openCpuUs: median(({ open }) => cpuUsEach(open.usage, open.requests)),
    p50Us: medianOf([...own.values()].map(({ open }) => open.p50Us)),
    addedP50Us: against("direct", (mine, base) => mine.open.p50Us - base.open.p50Us),
    addedP99Us: against("direct", (mine, base) => mine.open.p99Us - base.open.p99Us),
    rssMib: mostMib(results.map(({ usage }) => usage)),
    failures,
    remark: remarkOf(failures, [
      ...[...own.values()].map(({ closed }) => limitOf(closed)),
      ...[...own.values()].map(({ open }) => (open.unfinished > 0 ? "saturated" : undefined)),
    ]),
  };
}

/** Medians of one contender and number of streams. */
export function summariseStreams(
  rounds: readonly ContenderRound[],
  contender: string,
  streams: number,
): StreamSummary {
  const own = pickStreams(rounds, contender, streams);
  const values = [...own.values()];
  const median = (of: (each: StreamRound) => number) => medianOf(values.map(of));
  const base = pickStreams(rounds, "direct", streams);
  const nginx = pickStreams(rounds, plainProxy, streams);
  const failures = values.reduce((sum, each) => sum + each.failures, 0);
  const cpuUs = (each: StreamRound) => cpuUsEach(each.usage, each.tokens);
  return {
    contender,
    streams,
    tokensPerSecond: median((each) => each.tokensPerSecond),
    delivered: median(deliveredOf),
    ttftP50Us: median((each) => each.ttftP50Us),
    addedTtftP50Us: medianAgainst(own, base, (mine, bare) => mine.ttftP50Us - bare.ttftP50Us),
    addedTtftP99Us: medianAgainst(own, base, (mine, bare) => mine.ttftP99Us - bare.ttftP99Us),
    relayP50Us: median((each) => each.relayP50Us),
    relayP99Us: median((each) => each.relayP99Us),
    jitterP50Us: median((each) => each.jitterP50Us),
    jitterP99Us: median((each) => each.jitterP99Us),
    cpuUs: medianBy(values, cpuUs),
    cpuToNginx: medianAgainst(own, nginx, (mine, plain) => ratio(cpuUs(mine), cpuUs(plain))),
    rssMib: mostMib(values.map(({ usage }) => usage)),
    rssKibEach: medianBy(values, rssKibEach),
    failures,
    remark: remarkOf(
      failures,
      values.map((each) =>
        each.unfinished > 0 || deliveredOf(each) < deliveredMin ? "saturated" : undefined,
      ),
    ),
  };
}

/** One contender at rest. */
export function summariseIdle(rounds: readonly ContenderRound[], contender: string): IdleSummary {
  const own = rounds.filter((round) => round.contender === contender);
  return {
    contender,
    readyMs: medianOf(own.map(({ readyMs }) => readyMs)),
    cpuShare: medianBy(own, ({ idle: { usage } }) => ratio(usage.cpuMs, usage.wallMs)),
    rssMib: mostMib(own.map(({ idle }) => idle.usage)),
  };
}

/** The worst round of one contender and way of leaving; undefined when it never got that far. */
export function summariseLeave(
  rounds: readonly ContenderRound[],
  contender: string,
  when: LeaveRound["when"],
): LeaveSummary | undefined {
  const own = rounds
    .filter((round) => round.contender === contender)
    .flatMap(({ leaves }) => leaves.filter((leave) => leave.when === when));
  const worst = own.toSorted(
    (left, right) => left.cut - right.cut || right.tokensAfterLeaving - left.tokensAfterLeaving,
  )[0];
  if (worst === undefined) return undefined;
  const failures = own.reduce((sum, each) => sum + each.failures, 0);
  return { contender, ...worst, failures };
}

function pickBodies(rounds: readonly ContenderRound[], name: string, bytes: number) {
  return byRound(rounds, name, ({ bodies }) => bodies.find((body) => body.bytes === bytes));
}

function pickStreams(rounds: readonly ContenderRound[], name: string, streams: number) {
  return byRound(rounds, name, (round) =>
    round.streams.find(({ plan }) => plan.streams === streams),
  );
}

function byRound<Result>(
  rounds: readonly ContenderRound[],
  name: string,
  pick: (round: ContenderRound) => Result | undefined,
): ReadonlyMap<number, Result> {
  const picked = new Map<number, Result>();
  for (const round of rounds) {
    const result = round.contender === name ? pick(round) : undefined;
    if (result !== undefined) picked.set(round.round, result);
  }
  return picked;
}

/** Round against round, so that a slow moment of the machine falls on both. */
function medianAgainst<Result>(
  own: ReadonlyMap<number, Result>,
  base: ReadonlyMap<number, Result>,
  of: (own: Result, base: Result) => number | undefined,
): number | undefined {
  const values = [...own].flatMap(([round, mine]) => {
    const other = base.get(round);
    const value = other === undefined ? undefined : of(mine, other);
    return value === undefined ? [] : [value];
  });
  return values.length === 0 ? undefined : medianOf(values);
}

function medianBy<Result>(
  results: readonly Result[],
  of: (result: Result) => number | undefined,
): number | undefined {
  const values = results.flatMap((each) => of(each) ?? []);
  return values.length === 0 ? undefined : medianOf(values);
}

const cpuUsEach = (usage: Usage, count: number): number | undefined =>
  usage.cpuMs === undefined || count === 0 ? undefined : (usage.cpuMs * 1000) / count;

const ratio = (own: number | undefined, base: number | undefined): number | undefined =>
  own === undefined || base === undefined || base === 0 ? undefined : own / base;

const rssKibEach = ({ usage, rest, plan }: StreamRound): number | undefined =>
  usage.rssBytes === undefined || rest.usage.rssBytes === undefined
    ? undefined
    : (usage.rssBytes - rest.usage.rssBytes) / 1024 / plan.streams;

const deliveredOf = (each: StreamsResult): number =>
  each.tokensPerSecond / each.offeredTokensPerSecond;

/** Says so when the harness, not the contender, had no more to give. */
function limitOf({ usage, unfinished }: RequestsResult): string | undefined {
  if (unfinished > 0) return "hung";
  const isHarnessBusy = (usage.harnessBusy ?? 0) >= busyMin;
  const contenderBusy = (usage.cpuMs ?? 0) / usage.wallMs;
  if (contenderBusy >= busyMin || usage.cpuMs === undefined) return undefined;
  return isHarnessBusy ? "limited by the harness" : "neither busy";
}

function remarkOf(failures: number, remarks: readonly (string | undefined)[]): string {
  const all = remarks.filter((remark) => remark !== undefined);
  if (failures > 0) all.unshift(`${failures} failures`);
  return [...new Set(all)].join(", ");
}

function mostMib(usages: readonly Usage[]): number | undefined {
  const bytes = usages.flatMap(({ rssBytes }) => rssBytes ?? []);
  return bytes.length === 0 ? undefined : Math.max(...bytes) / 2 ** 20;
}
