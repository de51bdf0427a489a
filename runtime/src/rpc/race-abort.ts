/**
 * Settles like `work`, or rejects with the signal's reason as soon as it aborts; late results are
 * ignored.
 */
export function raceAbort<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  if (signal.aborted) {
    // The late failure of abandoned work has nobody left to hear it.
    work.catch(() => undefined);
    return Promise.reject(signal.reason);
  }
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/**
 * The same items, ending with the signal's reason as soon as it aborts, even while the source is
 * silent. The source is told to stop but not waited for; also when nobody asks for the next item
 * any more.
 */
export function abortable<T>(signal: AbortSignal, source: AsyncIterable<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]();
      // One listener a stream rather than one an item: streams carry tokens, listeners are dear.
      let rejectNext: (reason: unknown) => void = () => undefined;
      const onAbort = () => {
        rejectNext(signal.reason);
        iterator.return?.().catch(() => undefined);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      return {
        next() {
          if (signal.aborted) {
            return Promise.reject(signal.reason);
          }
          return new Promise((resolve, reject) => {
            rejectNext = reject;
            iterator.next().then(resolve, reject);
          });
        },
        async return() {
          signal.removeEventListener("abort", onAbort);
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
