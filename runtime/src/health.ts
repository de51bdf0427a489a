import { type Clock, messageOf, timeoutSignal } from "./base/index.ts";

/** Outcome of one check. */
export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
  /** True where the service works without it, if worse. */
  readonly optional?: true;
}

/** Whether the process should get work, and what it stands on. */
export interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly CheckResult[];
}

type Check = (signal: AbortSignal) => Promise<void>;

/** Alive (the process answers) and ready (what it stands on answers, and it is not draining). */
export interface Health {
  /** Adds something to stand on; its check throws when it is not there: then we are not ready. */
  check(name: string, check: Check): void;
  /**
   * Adds something whose absence is told and is no reason to get no work: what all replicas have in
   * common and can do without, or its restart would take every one of them out at once.
   */
  checkOptional(name: string, check: Check): void;
  ready(): Promise<Readiness>;
  /** From now on not ready: load balancers stop sending before the listeners close. */
  setDraining(): void;
  readonly isDraining: boolean;
}

/**
 * A check that does not answer within this counts as failed; probes of Kubernetes wait 1 s by
 * default.
 */
const checkTimeoutMs = 900;

/** Results are reused this long, so that many probes do not become load on the database. */
const readinessReuseMs = 500;

const checksMax = 32;

/** Health of one service, with no checks yet. */
export function createHealth({ clock }: { clock: Clock }): Health {
  const checks = new Map<string, { readonly check: Check; readonly isOptional: boolean }>();
  let draining = false;
  let latest: { atMs: number; readiness: Promise<Readiness> } | undefined;

  async function judge(): Promise<Readiness> {
    const running = [...checks].map(async ([name, { check, isOptional }]) => ({
      ...(await runCheck(clock, name, check)),
      ...(isOptional ? { optional: true as const } : {}),
    }));
    const results = await Promise.all(running);
    return { ready: results.every((each) => each.ok || each.optional), checks: results };
  }

  function add(name: string, check: Check, isOptional: boolean): void {
    if (checks.size >= checksMax && !checks.has(name)) {
      throw new RangeError(`at most ${checksMax} health checks`);
    }
    checks.set(name, { check, isOptional });
    latest = undefined;
  }

  return {
    check: (name, check) => add(name, check, false),
    checkOptional: (name, check) => add(name, check, true),
    async ready() {
      const nowMs = clock.monotonicMs();
      if (latest === undefined || nowMs - latest.atMs >= readinessReuseMs) {
        latest = { atMs: nowMs, readiness: judge() };
      }
      const readiness = await latest.readiness;
      return draining
        ? { ready: false, checks: [...readiness.checks, { name: "draining", ok: false }] }
        : readiness;
    },
    setDraining() {
      draining = true;
    },
    get isDraining() {
      return draining;
    },
  };
}

async function runCheck(clock: Clock, name: string, check: Check): Promise<CheckResult> {
  const timeout = timeoutSignal(clock, checkTimeoutMs);
  const timedOut = new Promise<never>((_, reject) => {
    timeout.signal.addEventListener("abort", () =>
      reject(new Error(`no answer within ${checkTimeoutMs} ms`)),
    );
  });
  try {
    await Promise.race([check(timeout.signal), timedOut]);
    return { name, ok: true };
  } catch (error) {
    return { name, ok: false, detail: messageOf(error) };
  } finally {
    timeout.cancel();
  }
}
