/** The part of an append that every transition has, for a whole group in one statement. */
import { WarmpathError } from "@warmpath/runtime/base";
import type { Sql, SqlValue } from "../store/sql.ts";
import { utf8 } from "./bytes.ts";
import { eventSchemaVersion } from "./event-codec.ts";
import type { PreparedAppend } from "./prepare-append.ts";

/**
 * The first update is the fence: only tasks whose epoch and sequence are as expected go on, and
 * every other part joins on them, so that a refused append leaves nothing behind.
 */
const appendSql = `
  with asked as (
    select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[],
      $6::bytea[], $7::integer[])
      as a (tenant, task_id, epoch, expected_seq, new_seq, usage, steps)
  ), held as (
    update tasks t set last_seq = a.new_seq, usage = coalesce(a.usage, t.usage),
      steps = greatest(t.steps, a.steps), updated_at = clock_timestamp(),
      schema_version_max = greatest(t.schema_version_max, $21)
    from asked a
    where t.tenant = a.tenant and t.task_id = a.task_id and t.epoch = a.epoch
      and t.last_seq = a.expected_seq and t.state = 'RUNNING'
    returning t.tenant, t.task_id, t.epoch, substr(t.traceparent, 4, 32) as trace_id
  ), stored_messages as (
    insert into messages (tenant, hash, payload)
    select distinct on (m.tenant, m.hash) m.tenant, m.hash, m.payload
    from unnest($8::text[], $9::text[], $10::bytea[], $11::bytea[])
      as m (tenant, task_id, hash, payload)
    join held using (tenant, task_id)
    order by m.tenant, m.hash
    on conflict do nothing
  ), stored_events as (
    insert into events (tenant, task_id, seq, epoch, kind, schema_version, actor, cause,
      trace_id, payload)
    select tenant, task_id, e.seq, held.epoch, e.kind, $21, e.actor, e.cause, held.trace_id, e.payload
    from unnest($12::text[], $13::text[], $14::bigint[], $15::text[], $16::bytea[],
      $17::text[], $18::bytea[])
      as e (tenant, task_id, seq, kind, actor, cause, payload)
    join held using (tenant, task_id)
  ), taken as (
    delete from inbox i using unnest($19::text[], $20::bigint[]) as r (task_id, input_id), held
    where i.tenant = held.tenant and i.task_id = held.task_id
      and i.task_id = r.task_id and i.input_id = r.input_id
  )
  select tenant, task_id from held`;

/** Names one task in sets. */
export function nameOf(task: { readonly tenant: string; readonly task_id: string }): string {
  return `${task.tenant}/${task.task_id}`;
}

/** The same name from an append. */
export function nameOfAppend(append: PreparedAppend): string {
  return `${append.lease.tenant}/${append.lease.taskId}`;
}

/**
 * Appends a group, at most one append a task; returns the names of the tasks whose append was
 * accepted.
 */
export async function appendPlain(
  sql: Sql,
  appends: readonly PreparedAppend[],
): Promise<Set<string>> {
  const rows = await sql.query<{ tenant: string; task_id: string }>(appendSql, [
    ...taskArrays(appends),
    ...messageArrays(appends),
    ...eventArrays(appends),
    ...inputArrays(appends),
    eventSchemaVersion,
  ]);
  return new Set(rows.map(nameOf));
}

function taskArrays(appends: readonly PreparedAppend[]): SqlValue[] {
  return [
    appends.map((append) => append.lease.tenant),
    appends.map((append) => append.lease.taskId),
    appends.map((append) => append.lease.epoch),
    appends.map((append) => append.expectedSeq),
    appends.map((append) => append.lastSeq),
    appends.map((append) => append.usage),
    appends.map((append) => append.steps),
  ];
}

function messageArrays(appends: readonly PreparedAppend[]): SqlValue[] {
  const rows = appends.flatMap(({ lease, messages }) =>
    messages.map((message) => ({ lease, message })),
  );
  return [
    rows.map(({ lease }) => lease.tenant),
    rows.map(({ lease }) => lease.taskId),
    rows.map(({ message }) => message.hash),
    rows.map(({ message }) => message.payload),
  ];
}

function eventArrays(appends: readonly PreparedAppend[]): SqlValue[] {
  const rows = appends.flatMap((append) =>
    append.events.map((event, index) => ({
      append,
      event,
      seq: append.expectedSeq + BigInt(index + 1),
    })),
  );
  return [
    rows.map(({ append }) => append.lease.tenant),
    rows.map(({ append }) => append.lease.taskId),
    rows.map(({ seq }) => seq),
    rows.map(({ event }) => event.kind),
    rows.map(({ append }) => utf8(append.lease.workerId)),
    rows.map(({ append }) => causeOf(append)),
    rows.map(({ event }) => event.payload),
  ];
}

function causeOf(append: PreparedAppend): string {
  return append.inputsTaken.length === 0 ? "" : `inputs ${append.inputsTaken.join(",")}`;
}

function inputArrays(appends: readonly PreparedAppend[]): SqlValue[] {
  const rows = appends.flatMap(({ lease, inputsTaken }) =>
    inputsTaken.map((inputId) => ({ lease, inputId })),
  );
  return [rows.map(({ lease }) => lease.taskId), rows.map(({ inputId }) => inputId)];
}

/** The refusals of the appends that the fence stopped. */
export function refusals(
  group: readonly PreparedAppend[],
  accepted: ReadonlySet<string>,
): Map<string, WarmpathError> {
  const refused = new Map<string, WarmpathError>();
  for (const append of group) {
    if (!accepted.has(nameOfAppend(append))) {
      refused.set(
        nameOfAppend(append),
        new WarmpathError(
          "evicted-lease-lost",
          `task ${append.lease.taskId} is no longer held under epoch ${append.lease.epoch} ` +
            `at event ${append.expectedSeq}`,
        ),
      );
    }
  }
  return refused;
}
