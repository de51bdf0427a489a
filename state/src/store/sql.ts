import pg from "pg";

/** One value of a statement. Bytes are `Uint8Array`; a `bytea[]` is an array of them. */
export type SqlValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | readonly (string | number | bigint | boolean | null | Uint8Array)[];

/** Runs statements, each on its own or all in one transaction, depending on who hands it out. */
export interface Sql {
  /** Rows of the statement. `Row` states what the statement's own column list says. */
  query<Row>(text: string, values?: readonly SqlValue[]): Promise<Row[]>;
}

/** What `pg` takes for a value: views of bytes become Buffers, which alone it writes as bytea. */
export function toParameter(value: SqlValue): unknown {
  if (value instanceof Uint8Array) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  if (Array.isArray(value)) {
    return value.map((item: SqlValue) => toParameter(item));
  }
  return typeof value === "bigint" ? value.toString() : value;
}

const oid = { int8: 20, timestamptz: 1184 };

/** How columns become values: `bigint` stays exact, a time is milliseconds since 1970. */
export const columnTypes: pg.CustomTypesConfig = {
  getTypeParser(id: number, format?: "text" | "binary") {
    if (id === oid.int8) {
      return (text: string) => BigInt(text);
    }
    if (id === oid.timestamptz) {
      return (text: string) => Date.parse(text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00"));
    }
    // The library types a parser's input by format; it hands text ones a string.
    return pg.types.getTypeParser(id, format as "text");
  },
};
