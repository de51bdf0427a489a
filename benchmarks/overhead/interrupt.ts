/** Rejects once the signal comes, and leaves the work alone: it ends with the process. */
export async function unlessStopped<Result>(
  work: Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  if (signal === undefined) return work;
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(new Error("interrupted"));
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** True once the signal has come; a call, since it may come at any await. */
export function isStopped(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

/** What the end of a bench needs to know of an interruption; nothing where there was none. */
export function interruptionOf(
  signal: AbortSignal | undefined,
  done: number,
  planned: number,
): { readonly interrupted?: string } {
  if (!isStopped(signal)) return {};
  return { interrupted: `interrupted: ${done} of ${planned} measurements were finished` };
}
