import type { Matrix, WaitRow } from "./service-table.ts";

/**
 * Routes that would cut what the code lets happen, and waits whose numbers the code does not have:
 * one sentence each. `defaultOf` gives a variable's default in ms, undefined where there is none.
 */
export function waitFaults(
  matrix: Matrix,
  defaultOf: (variable: string) => number | undefined,
): readonly string[] {
  const names = matrix.services.map(({ name }) => name);
  return matrix.waits.flatMap((row) => [
    ...(names.includes(row.service) ? [] : [`waits: there is no service ${row.service}`]),
    ...Object.entries(row.settings)
      .filter(([variable, ms]) => defaultOf(variable) !== ms)
      .map(([variable, ms]) => `${variable} is ${defaultOf(variable)} by the code, and not ${ms}`),
    ...cutFaults(matrix, row),
  ]);
}

function cutFaults(matrix: Matrix, { settings, below }: WaitRow): readonly string[] {
  const waitMs = Object.values(settings).reduce((sum, ms) => sum + ms, 0);
  return below.flatMap((name) => {
    const seconds = timeoutsOf(matrix, name);
    if (seconds.length === 0) {
      return [
        `${name}: it has no timeout that ${Object.keys(settings).join(" and ")} could exceed`,
      ];
    }
    return seconds
      .filter((each) => each * 1000 < waitMs)
      .map((each) => `${name}: cut after ${each} s, and the code waits ${waitMs} ms`);
  });
}

/** Timeouts in s of a method, of a path, or of all unary methods of a proto service. */
function timeoutsOf(matrix: Matrix, name: string): readonly number[] {
  const methods = matrix.services.flatMap(({ rpcs }) =>
    Object.entries(rpcs).flatMap(([service, rpc]) =>
      Object.entries(rpc.methods)
        .filter(([method]) => name === service || name === `${service}/${method}`)
        .map(([, row]) => row.timeoutSeconds),
    ),
  );
  const paths = matrix.services.flatMap((row) => row.paths).filter(({ path }) => path === name);
  return [...methods, ...paths.map((path) => path.timeoutSeconds)].filter(
    (seconds) => seconds !== undefined,
  );
}
