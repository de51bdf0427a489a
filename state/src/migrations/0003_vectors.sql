-- Without pgvector, search works by words alone; a later start does not add vectors by itself.
do $$
begin
  if exists (select 1 from pg_available_extensions where name = 'vector') then
    create extension if not exists vector;
    -- No fixed number of dimensions: it depends on the model, whose name is beside it.
    create table passage_vectors (
      tenant text not null,
      source bytea not null,
      position integer not null,
      model bytea not null,
      embedding vector not null,
      primary key (tenant, source, position, model),
      foreign key (tenant, source, position) references passages on delete cascade
    );
  end if;
end $$;
