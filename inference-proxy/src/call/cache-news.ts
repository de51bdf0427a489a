import type { CacheNews } from "../kv-events/index.ts";
import type { Placer } from "../pick/index.ts";

/** Takes what engines say about their caches to where placement looks; replicas go by name. */
export function createCacheNews(placer: Placer, names: readonly string[]): CacheNews {
  const { belief } = placer;
  const indices = new Map(names.map((name, index) => [name, index]));
  const told = (tell: (replica: number) => void) => (name: string) => {
    const replica = indices.get(name);
    if (replica !== undefined) {
      tell(replica);
    }
  };
  return {
    stored: (name, keys) => told((replica) => belief.stored(replica, keys))(name),
    removed: (name, keys) => told((replica) => belief.removed(replica, keys))(name),
    // Sessions at home there find nothing of theirs: what they miss is no want of room.
    cleared: told((replica) => placer.lose(replica)),
    forgotten: told((replica) => belief.forgotten(replica)),
    trusted: (name, isTrusted) => told((replica) => belief.trusted(replica, isTrusted))(name),
  };
}
