import { formatTable } from "../../report/table.ts";

/**
 * What each promises about the task that is measured here, in a few words; the README names the
 * sources.
 */
const rows: readonly (readonly [
  promise: string,
  warmpath: string,
  dbos: string,
  restate: string,
])[] = [
  ["recorded where", "PostgreSQL", "PostgreSQL", "own replicated log"],
  ["task is durable before it is accepted", "yes", "yes", "yes"],
  ["a model answer is recorded before the next step", "yes", "yes", "yes"],
  ["a tool call is recorded before its effect", "yes", "no (after)", "no (after)"],
  ["a step may run twice after a crash", "yes, unless a tool forbids it", "yes", "yes"],
  ["who goes on after a crash", "any worker", "the same executor", "any deployment"],
  ["noticed by", "lease that ends", "its restart, or Conductor", "broken stream"],
  ["a frozen writer is fenced", "epoch, in every write", "no epoch", "epoch of the journal"],
  ["live tokens and a replayable watch", "yes", "streams, in tables", "not built in"],
  ["messages to a running task", "inbox, none lost at the end", "send/recv", "signals, awakeables"],
  ["limits on what may run", "per tenant, lanes", "per queue", "concurrency, by scope"],
];

/** The table under the figures. */
export function guaranteesTable(): string {
  return formatTable(["what each guarantees", "warmpath", "dbos", "restate"], rows);
}
