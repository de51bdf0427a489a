/** True for the kinds of event after which a task's log never grows. */
export function isTerminal(kind: string | undefined): boolean {
  return kind === "completed" || kind === "failed" || kind === "cancelled";
}
