/**
 * Bytes of one page of a list: half of what a receiver takes, since sizes are estimated by columns.
 */
const pageBytesMax = 2 * 1024 * 1024;

/** The first items that fit a page together, and at least one: a page must always go on. */
export function cutToPageBytes<T>(items: readonly T[], bytesOf: (item: T) => number): T[] {
  let bytes = 0;
  const cut = items.findIndex((item, index) => {
    bytes += bytesOf(item);
    return index > 0 && bytes > pageBytesMax;
  });
  return cut === -1 ? [...items] : items.slice(0, cut);
}
