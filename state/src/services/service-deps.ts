import type { Bus } from "@warmpath/runtime";
import type { Clock, Logger } from "@warmpath/runtime/base";
import type { HotStore } from "../hot/hot-store.ts";
import type { LogConfig } from "../log/log-config.ts";
import type { OutboxPump } from "../log/outbox.ts";
import type { Store } from "../store/store.ts";

/** What the RPC services of state stand on. */
export interface ServiceDeps {
  readonly store: Store;
  readonly hot: HotStore;
  readonly bus: Bus;
  readonly pump: OutboxPump;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: LogConfig;
}
