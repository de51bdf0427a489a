/** Hybrid search: full-text words and vectors, each ranked on its own, fused by reciprocal rank. */
import { textFromUtf8, utf8 } from "../log/bytes.ts";
import type { Sql } from "../store/sql.ts";
import type { Store } from "../store/store.ts";
import { searchable, vectorText } from "./put-source.ts";

/** What to search for, where. */
export interface PassageQuery {
  /** The tenants whose passages may be seen. */
  readonly tenants: readonly string[];
  readonly query: string;
  /** Empty: words only. */
  readonly embedding: readonly number[];
  readonly model: string;
  readonly limit: number;
}

/** A passage that matches. */
export interface PassageMatch {
  readonly source: string;
  readonly title: string;
  readonly text: string;
  readonly score: number;
}

interface PassageRow {
  readonly tenant: string;
  readonly source: Uint8Array;
  readonly position: number;
  readonly title: Uint8Array;
  readonly body: Uint8Array;
}

/** Candidates of each ranking; more adds cost and hardly changes the first few after fusion. */
const candidatesMax = 50;
/** The usual constant of reciprocal rank fusion: a first place is worth 1/61. */
const rankOffset = 60;

/** The passages that match best, best first. */
export async function searchPassages(store: Store, query: PassageQuery): Promise<PassageMatch[]> {
  const rankings = [await rankByWords(store.read, query)];
  if (store.hasVectors && query.embedding.length > 0) {
    rankings.push(await rankByVector(store.read, query));
  }
  const scored = new Map<string, { row: PassageRow; score: number }>();
  for (const ranking of rankings) {
    ranking.forEach((row, index) => {
      const key = `${row.tenant} ${Buffer.from(row.source).toString("hex")} ${row.position}`;
      const entry = scored.get(key) ?? { row, score: 0 };
      entry.score += 1 / (rankOffset + index + 1);
      scored.set(key, entry);
    });
  }
  const best = [...scored.values()].sort((a, b) => b.score - a.score).slice(0, query.limit);
  return best.map(({ row, score }) => ({
    source: textFromUtf8(row.source),
    title: textFromUtf8(row.title),
    text: textFromUtf8(row.body),
    score,
  }));
}

/**
 * Any of the query's words may match: people ask in sentences. Passages that hold more of its
 * different words come first, then those where the words stand closer, since the rank function
 * knows no rarity of words.
 */
async function rankByWords(sql: Sql, query: PassageQuery): Promise<PassageRow[]> {
  return await sql.query<PassageRow>(
    `with asked as (
       select lexeme, quote_literal(lexeme)::tsquery as term
       from unnest(to_tsvector('english', $2))
     ), any_word as (
       select string_agg(quote_literal(lexeme), ' | ')::tsquery as words from asked
     )
     select p.tenant, p.source, p.position, p.title, p.body
     from any_word join passages p on p.tenant = any($1::text[]) and p.words @@ any_word.words
     order by (select count(*) from asked where p.words @@ asked.term) desc,
       ts_rank_cd(p.words, any_word.words, 1) desc, p.source, p.position
     limit $3`,
    [query.tenants, searchable(query.query), candidatesMax],
  );
}

async function rankByVector(sql: Sql, query: PassageQuery): Promise<PassageRow[]> {
  // The subquery keeps vectors of other models and dimensions away from the distance.
  return await sql.query<PassageRow>(
    `with same_model as materialized (
       select tenant, source, position, embedding from passage_vectors
       where tenant = any($1::text[]) and model = $2
         and vector_dims(embedding) = vector_dims($3::vector)
     ), nearest as (
       select tenant, source, position, embedding <=> $3::vector as distance from same_model
       order by distance limit $4
     )
     select p.tenant, p.source, p.position, p.title, p.body
     from nearest join passages p using (tenant, source, position)
     order by nearest.distance, p.source, p.position`,
    [query.tenants, utf8(query.model), vectorText(query.embedding), candidatesMax],
  );
}
