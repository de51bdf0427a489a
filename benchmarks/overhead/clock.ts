/**
 * Microseconds that mean the same in every process of this machine, so that one can tell how long
 * ago another made a token. Steady within a process: the machine's wall clock is read only when a
 * process starts, so a step of it between two starts would show as a constant offset.
 */
export function machineNowUs(): number {
  return originUs + performance.now() * 1000;
}

const originUs = performance.timeOrigin * 1000;
