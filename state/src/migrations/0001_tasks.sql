-- Texts of users, models and tools are bytea: a NUL character is legal in them and not in a text column.

create table tasks (
  tenant text not null,
  task_id text not null,
  user_id bytea not null,
  key_id text not null,
  agent_chain bytea not null,
  agent text not null,
  -- Null: no conversation. thread_order counts the tasks of one conversation.
  thread_id bytea,
  thread_order bigint not null default 0,
  lane text not null,
  state text not null,
  message_hash bytea not null,
  prompt bytea not null,
  answer bytea,
  failure bytea,
  usage bytea not null,
  steps integer not null default 0,
  parent_task_id text,
  parent_call_id bytea,
  root_task_id text not null,
  depth integer not null default 0,
  traceparent text not null default '',
  -- Fencing: every append carries the epoch and the expected last_seq.
  epoch bigint not null default 0,
  last_seq bigint not null default 0,
  schema_version_max integer not null default 1,
  lease_worker text,
  lease_expires_at timestamptz,
  dispatched_at timestamptz not null default now(),
  dispatch_count integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant, task_id)
);

create index tasks_by_user on tasks (tenant, user_id, task_id desc) where depth = 0;
create index tasks_of_thread on tasks (tenant, user_id, thread_id, thread_order)
  where thread_id is not null;
create index tasks_open_of_thread on tasks (tenant, user_id, thread_id, thread_order)
  where thread_id is not null and state in ('QUEUED', 'RUNNING', 'WAITING');
create index tasks_open_of_key on tasks (tenant, key_id)
  where depth = 0 and state in ('QUEUED', 'RUNNING', 'WAITING');
create index tasks_of_parent on tasks (tenant, parent_task_id) where parent_task_id is not null;
-- The sweeper's index leaves out the lease's expiry on purpose: a renewal then touches no index.
create index tasks_to_dispatch on tasks (state, dispatched_at) where state in ('QUEUED', 'RUNNING');
create index tasks_open_children on tasks (tenant, parent_task_id)
  where parent_task_id is not null and state in ('QUEUED', 'RUNNING', 'WAITING');

create table events (
  tenant text not null,
  task_id text not null,
  seq bigint not null,
  epoch bigint not null,
  kind text not null,
  schema_version integer not null,
  -- Who wrote it: worker id, or the key and user of a request, outermost first.
  actor bytea not null,
  -- What made it be written, such as an inbox row or a parent's event; empty for the run's own progress.
  cause text not null default '',
  trace_id text not null default '',
  recorded_at timestamptz not null default clock_timestamp(),
  payload bytea not null,
  primary key (tenant, task_id, seq)
);

-- Messages are stored once per tenant under the SHA-256 of the bytes sent to the model.
create table messages (
  tenant text not null,
  hash bytea not null,
  payload bytea not null,
  primary key (tenant, hash)
);

create table blobs (
  tenant text not null,
  hash bytea not null,
  payload bytea not null,
  primary key (tenant, hash)
);

create table conversations (
  tenant text not null,
  user_id bytea not null,
  thread_id bytea not null,
  message_count integer not null default 0,
  task_count bigint not null default 0,
  updated_at timestamptz not null default now(),
  primary key (tenant, user_id, thread_id)
);
create index conversations_latest on conversations (tenant, user_id, updated_at desc, thread_id);

create table conversation_messages (
  tenant text not null,
  user_id bytea not null,
  thread_id bytea not null,
  position integer not null,
  hash bytea not null,
  primary key (tenant, user_id, thread_id, position)
);

create table inbox (
  tenant text not null,
  task_id text not null,
  input_id bigint generated always as identity,
  kind text not null,
  message_hash bytea,
  child_task_id text,
  call_id bytea,
  created_at timestamptz not null default now(),
  primary key (tenant, task_id, input_id)
);

create table outbox (
  outbox_id bigint generated always as identity primary key,
  tenant text not null,
  task_id text not null,
  lane text not null,
  created_at timestamptz not null default now()
);

create table idempotency_keys (
  tenant text not null,
  key bytea not null,
  request_hash bytea not null,
  task_id text not null,
  created_at timestamptz not null default now(),
  primary key (tenant, key)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);

-- One row per API key: creating tasks under a limit locks it, so that concurrent creates cannot overshoot.
create table create_locks (
  tenant text not null,
  key_id text not null,
  primary key (tenant, key_id)
);
