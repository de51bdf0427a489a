import { utf8 } from "../log/bytes.ts";
import type { Sql } from "../store/sql.ts";
import type { Store } from "../store/store.ts";

/** A passage to store. */
export interface NewPassage {
  readonly title: string;
  readonly text: string;
  /** Empty where no embedding model is at hand. */
  readonly embedding: readonly number[];
  readonly embeddingModel: string;
}

/** Passages of one statement: bounds its size, not that of the source. */
const batchMax = 200;

/** Makes a source's passages exactly these, in one transaction. */
export async function putSource(
  store: Store,
  tenant: string,
  source: string,
  passages: readonly NewPassage[],
): Promise<void> {
  const name = utf8(source);
  await store.write.transaction(async (tx) => {
    await tx.query("delete from passages where tenant = $1 and source = $2", [tenant, name]);
    for (let start = 0; start < passages.length; start += batchMax) {
      const batch = passages.slice(start, start + batchMax);
      await insertPassages(tx, tenant, name, batch, start);
      if (store.hasVectors) {
        await insertVectors(tx, tenant, name, batch, start);
      }
    }
  });
}

async function insertPassages(
  tx: Sql,
  tenant: string,
  source: Uint8Array,
  passages: readonly NewPassage[],
  start: number,
): Promise<void> {
  await tx.query(
    `insert into passages (tenant, source, position, title, body, words)
     select $1, $2, position, title, body,
       setweight(to_tsvector('english', title_words), 'A')
         || setweight(to_tsvector('english', body_words), 'B')
     from unnest($3::integer[], $4::bytea[], $5::bytea[], $6::text[], $7::text[])
       as p (position, title, body, title_words, body_words)`,
    [
      tenant,
      source,
      passages.map((_, index) => start + index),
      passages.map((passage) => utf8(passage.title)),
      passages.map((passage) => utf8(passage.text)),
      passages.map((passage) => searchable(passage.title)),
      passages.map((passage) => searchable(passage.text)),
    ],
  );
}

/** Text for the word index, which takes no NUL; the passage itself keeps it. */
export function searchable(text: string): string {
  return text.replaceAll("\0", " ");
}

async function insertVectors(
  tx: Sql,
  tenant: string,
  source: Uint8Array,
  passages: readonly NewPassage[],
  start: number,
): Promise<void> {
  const rows = passages
    .map((passage, index) => ({ passage, position: start + index }))
    .filter(({ passage }) => passage.embedding.length > 0);
  if (rows.length === 0) {
    return;
  }
  await tx.query(
    `insert into passage_vectors (tenant, source, position, model, embedding)
     select $1, $2, position, model, embedding::vector
     from unnest($3::integer[], $4::bytea[], $5::text[]) as v (position, model, embedding)`,
    [
      tenant,
      source,
      rows.map(({ position }) => position),
      rows.map(({ passage }) => utf8(passage.embeddingModel)),
      rows.map(({ passage }) => vectorText(passage.embedding)),
    ],
  );
}

/** A vector as pgvector reads it. */
export function vectorText(embedding: readonly number[]): string {
  return `[${embedding.join(",")}]`;
}
