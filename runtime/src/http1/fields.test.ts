import { describe, expect, test } from "bun:test";
import { seededRandom } from "../base/index.ts";
import { FieldsReader, fieldLine } from "./fields.ts";
import { RequestHeadReader } from "./parse-request.ts";

const read = (reader: FieldsReader, head: string) => reader.read(head, 0).entries();

describe("fields of one connection's heads", () => {
  test("the same head again gives the same fields", () => {
    const reader = new FieldsReader();
    const head = "Host: a\r\nX-One:  1 \r\nx-two: 2";
    const first = reader.read(head, 0);
    expect(first.entries()).toEqual([
      ["host", "a"],
      ["x-one", "1"],
      ["x-two", "2"],
    ]);
    expect(reader.read(head, 0)).toBe(first);
  });

  test("a line that only begins as the last one did is another line", () => {
    const reader = new FieldsReader();
    read(reader, "content-length: 1\r\nx: y");
    expect(read(reader, "content-length: 12\r\nx: y")).toEqual([
      ["content-length", "12"],
      ["x", "y"],
    ]);
    expect(read(reader, "content-length: 1")).toEqual([["content-length", "1"]]);
    expect(read(reader, "content-length: 1\r\nx: y\r\nz: 1")).toHaveLength(3);
  });

  test("a line that has changed is checked as any", () => {
    const reader = new FieldsReader();
    read(reader, "a: 1\r\nb: 2");
    for (const fault of ["b: \x00", "b:\n2", "b 2", "b : 2", " b: 2", "a: 1\nb: 2"]) {
      expect(() => reader.read(`a: 1\r\n${fault}`, 0)).toThrow();
    }
    expect(read(reader, "a: 1\r\nb: 2")).toHaveLength(2);
  });

  test("whatever came before, a head is read as by a reader that has read nothing", () => {
    const random = seededRandom(7);
    const lines = ["a: 1", "a: 12", "bb: 1", "c:", "d: x\ty", "E: long value of some kind", "bad"];
    const reader = new FieldsReader();
    const outcome = (each: FieldsReader, head: string) => {
      try {
        return each.read(head, 3).entries();
      } catch (error) {
        return String(error);
      }
    };
    for (let round = 0; round < 2000; round += 1) {
      const count = Math.floor(random.next() * 5);
      const picked = Array.from(
        { length: count },
        () => lines[Math.floor(random.next() * lines.length)] ?? "",
      );
      const head = `xx\n${picked.join("\r\n")}`;
      expect(outcome(reader, head)).toEqual(outcome(new FieldsReader(), head));
    }
  });
});

test("a request's head is the last one only if all of it is the same", () => {
  const reader = new RequestHeadReader();
  const first = reader.read("GET /a HTTP/1.1\r\nhost: h");
  expect(reader.read("GET /a HTTP/1.1\r\nhost: h")).toBe(first);
  expect(reader.read("GET /ab HTTP/1.1\r\nhost: h").url).toBe("http://h/ab");
  expect(reader.read("POST /ab HTTP/1.1\r\nhost: h").method).toBe("POST");
  expect(reader.read("POST /ab HTTP/1.1\r\nhost: i").url).toBe("http://i/ab");
});

test("a written line says what it is asked to, however often values change", () => {
  for (let round = 0; round < 40; round += 1) {
    expect(fieldLine("x-test-id", `${round}`)).toBe(`x-test-id: ${round}\r\n`);
    expect(fieldLine("x-test-kind", round % 2 === 0 ? "a" : "b\r\nc: d")).toBe(
      round % 2 === 0 ? "x-test-kind: a\r\n" : "x-test-kind: b  c: d\r\n",
    );
  }
});
