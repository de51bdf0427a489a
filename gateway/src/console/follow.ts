import { Code, ConnectError } from "@connectrpc/connect";
import type { WatchTaskResponse } from "@warmpath/proto/gateway";
import { backoffMs, systemClock, systemRandom } from "@warmpath/runtime/base";
import { isTerminal } from "../watch/terminal.ts";
import type { GatewayClient } from "./client.ts";

/** How a followed task reaches the page. */
export interface FollowOptions {
  readonly client: GatewayClient;
  readonly taskId: string;
  readonly signal: AbortSignal;
  readonly onUpdate: (response: WatchTaskResponse) => void;
  /** Whether the stream stands; while it does not, it is being resumed. */
  readonly onConnection: (isConnected: boolean) => void;
}

/** Three heartbeats: a stream that was silent for longer is dead, whatever the browser believes. */
const silenceMsMax = 45_000;
const retryBaseMs = 300;
const retryMsMax = 5_000;

/** No retry helps against these. */
const finalCodes: readonly Code[] = [
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.NotFound,
  Code.InvalidArgument,
  Code.Unimplemented,
];

/** Watches a task to its end, resuming from the last cursor as often as the connection breaks. */
export async function follow(options: FollowOptions): Promise<void> {
  const { signal, onConnection } = options;
  let cursor = "";
  let failures = 0;
  while (!signal.aborted) {
    try {
      for await (const response of watchOnce(options, cursor)) {
        failures = 0;
        cursor = response.cursor;
        onConnection(true);
        options.onUpdate(response);
        if (response.update.case === "event" && isTerminal(response.update.value.kind.case)) {
          return;
        }
      }
      // A stream that ends well before its task did was cut by something in between.
      onConnection(false);
      failures += 1;
    } catch (thrown) {
      if (signal.aborted) {
        return;
      }
      const error = ConnectError.from(thrown);
      if (finalCodes.includes(error.code)) {
        throw error;
      }
      onConnection(false);
      failures += 1;
    }
    const pauseMs = backoffMs(failures, retryBaseMs, retryMsMax, systemRandom);
    await systemClock.sleep(pauseMs, signal).catch(() => undefined);
  }
}

async function* watchOnce({ client, taskId, signal }: FollowOptions, cursor: string) {
  const silent = new AbortController();
  const stream = client.watchTask(
    { taskId, cursor },
    { signal: AbortSignal.any([signal, silent.signal]) },
  );
  const responses = stream[Symbol.asyncIterator]();
  while (true) {
    const heard = new AbortController();
    systemClock.sleep(silenceMsMax, heard.signal).then(
      () => silent.abort(),
      // Heard in time.
      () => undefined,
    );
    try {
      const next = await responses.next();
      if (next.done === true) {
        return;
      }
      yield next.value;
    } finally {
      heard.abort();
    }
  }
}
