import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { health as proto } from "@warmpath/proto/grpc";
import type { Clock } from "../base/index.ts";
import type { Health } from "../health.ts";

const Status = proto.HealthCheckResponse_ServingStatus;

/** How often a watched state is looked at, in ms: health changes are slow, and probes are many. */
const watchIntervalMs = 1_000;

/**
 * grpc.health.v1: the empty name stands for the whole server; each mounted service has the same
 * state, since they stand on the same things. An unknown name is NOT_FOUND for Check and
 * SERVICE_UNKNOWN for Watch.
 */
export function mountHealth(
  router: ConnectRouter,
  health: Health | undefined,
  served: readonly DescService[],
  clock: Clock,
): void {
  const isKnown = (name: string) => name === "" || served.some((each) => each.typeName === name);
  const status = async () => {
    const ready = health === undefined || (await health.ready()).ready;
    return ready ? Status.SERVING : Status.NOT_SERVING;
  };
  router.service(proto.Health, {
    async check(request) {
      if (!isKnown(request.service)) {
        throw new ConnectError(`no service ${request.service} here`, Code.NotFound);
      }
      return { status: await status() };
    },
    async list() {
      const current = { status: await status() };
      const names = ["", ...served.map((each) => each.typeName)];
      return { statuses: Object.fromEntries(names.map((name) => [name, current])) };
    },
    async *watch(request, context) {
      if (!isKnown(request.service)) {
        yield { status: Status.SERVICE_UNKNOWN };
      }
      let last: number | undefined;
      while (!context.signal.aborted) {
        const current = isKnown(request.service) ? await status() : undefined;
        if (current !== undefined && current !== last) {
          last = current;
          yield { status: current };
        }
        await clock.sleep(watchIntervalMs, context.signal);
      }
    },
  });
}
