create table api_keys (
  tenant text not null,
  key_id text not null,
  user_id bytea not null,
  label bytea not null,
  secret_hash bytea not null,
  requests_per_minute integer not null default 0,
  concurrent_tasks integer not null default 0,
  conversation_messages integer not null default 0,
  created_at timestamptz not null default now(),
  revoked_at timestamptz,
  primary key (tenant, key_id)
);
-- The one look-up without a tenant: the secret says whose it is.
create unique index api_keys_by_secret on api_keys (secret_hash);

create table agents (
  tenant text not null,
  name text not null,
  payload bytea not null,
  expires_at timestamptz not null,
  primary key (tenant, name)
);

-- Tenant "-shared" holds what every tenant may read; no principal can name it, since "-" is not legal there.
create table passages (
  tenant text not null,
  source bytea not null,
  position integer not null,
  title bytea not null,
  body bytea not null,
  words tsvector not null,
  primary key (tenant, source, position)
);
create index passages_by_words on passages using gin (words);
