import type { Bus } from "./bus.ts";

/**
 * The same bus, with every subject under one leading word, so that installations which share a
 * server never hear each other.
 */
export function namespacedBus(bus: Bus, namespace: string): Bus {
  const prefix = `${namespace}.`;
  return {
    publish: (subject, payload) => bus.publish(prefix + subject, payload),
    subscribe: (subject, onMessage) =>
      bus.subscribe(prefix + subject, (payload, full) =>
        onMessage(payload, full.slice(prefix.length)),
      ),
    ready: () => bus.ready(),
    close: () => bus.close(),
  };
}
