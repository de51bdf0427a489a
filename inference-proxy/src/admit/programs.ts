/**
 * What agents' programs (tasks, or sessions with their sub-agents) were served lately. Of those
 * that wait, calls of a program that had little go before those of one that had much: a job of a
 * few calls does not wait behind each call of long ones. Attained service per program is of Luo et
 * al., Autellix (arXiv:2502.13965).
 *
 * It is a delay of the turn and not an order of its own, so nobody starves: whoever has waited
 * `delayMsMax` longer than others goes before them, whatever it had.
 */
export interface Programs {
  /** How many are remembered. */
  readonly size: number;
  /** A call of the program was served so much. */
  served(tenant: string, program: string, serviceTokens: number, nowMs: number): void;
  /** How much later than it came a call of the program has its turn, in ms. */
  delayMs(tenant: string, program: string, nowMs: number): number;
}

interface Attained {
  serviceTokens: number;
  atMs: number;
}

/**
 * Delay for each token served: 10,000, some tens of small calls, move a program behind all that
 * come within the next 10 s.
 */
const msPerServiceToken = 1;
/**
 * Time after which service counts a third, in ms: a program that rested for long is as good as new,
 * and a person's conversation does not pay in the evening for the morning.
 */
const memoryMs = 600_000;

/**
 * Keeps two numbers for each of at most `programsMax`, the one served longest ago is forgotten
 * first. A `delayMsMax` of 0 keeps nothing.
 */
export function createPrograms(limits: {
  readonly programsMax: number;
  readonly delayMsMax: number;
}): Programs {
  const { programsMax, delayMsMax } = limits;
  const programs = new Map<string, Attained>();
  const attainedAt = ({ serviceTokens, atMs }: Attained, nowMs: number): number =>
    serviceTokens * Math.exp((atMs - nowMs) / memoryMs);

  return {
    get size() {
      return programs.size;
    },
    served: (tenant, program, serviceTokens, nowMs) => {
      if (program === "" || serviceTokens === 0 || delayMsMax === 0) {
        return;
      }
      const name = nameOf(tenant, program);
      const attained = programs.get(name) ?? { serviceTokens: 0, atMs: nowMs };
      attained.serviceTokens = attainedAt(attained, nowMs) + serviceTokens;
      attained.atMs = nowMs;
      // Moves the program to the end of the map's order, so that the first one is the oldest.
      programs.delete(name);
      programs.set(name, attained);
      if (programs.size > programsMax) {
        const [oldest = name] = programs.keys();
        programs.delete(oldest);
      }
    },
    delayMs: (tenant, program, nowMs) => {
      const attained = program === "" ? undefined : programs.get(nameOf(tenant, program));
      return attained === undefined
        ? 0
        : Math.min(delayMsMax, attainedAt(attained, nowMs) * msPerServiceToken);
    },
  };
}

/** Names of programs are a tenant's own. */
function nameOf(tenant: string, program: string): string {
  return `${tenant}\n${program}`;
}
