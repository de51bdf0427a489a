import { expect, test } from "bun:test";
import { readTokenIds } from "./token-ids.ts";

const read = (text: string) => {
  const found = readTokenIds(new TextEncoder().encode(`${text},"model":"m"}`), 0);
  return found && { ids: [...found.ids], length: found.valueEnd };
};

test("token ids are read as a parser reads them", () => {
  for (const text of ["[1]", "[0,151643, 7 ,42]", "[\n1,\n2\n]", "[4294967295]"]) {
    expect(read(text)).toEqual({ ids: JSON.parse(text), length: text.length });
  }
});

test("anything else is no list of token ids", () => {
  const texts = [
    "[]",
    "[1,]",
    "[1 2]",
    "[-1]",
    "[1.5]",
    "[1e3]",
    "[4294967296]",
    "[[1],[2]]",
    '["a"]',
    '"a"',
    "[1",
    "1",
  ];
  for (const text of texts) expect(read(text)).toBeUndefined();
});
