import { describe, expect, test } from "bun:test";
import { seededRandom, WarmpathError } from "@warmpath/runtime/base";
import { formatCursor, parseCursor } from "./cursor.ts";
import { type Position, startPosition } from "./position.ts";

const taskId = `task_${"a".repeat(32)}`;

function refusalOf(read: () => unknown): WarmpathError {
  try {
    read();
  } catch (thrown) {
    return WarmpathError.from(thrown);
  }
  throw new Error("the cursor was accepted");
}

describe("cursor", () => {
  test("brings every position back as it was", () => {
    const random = seededRandom("cursor");
    for (let round = 0; round < 500; round += 1) {
      const position: Position = {
        seq: BigInt(Math.floor(random.next() * 2 ** 40)),
        step: 1 + Math.floor(random.next() * 2 ** 31),
        attempt: BigInt(Math.floor(random.next() * 2 ** 50)),
        offsetBytes: Math.floor(random.next() * 2 ** 45),
        isEnded: random.next() < 0.5,
      };
      expect(parseCursor(taskId, formatCursor(taskId, position))).toEqual(position);
    }
  });

  test("is refused, naming the field, when any character of it was changed", () => {
    const cursor = formatCursor(taskId, { ...startPosition, seq: 7n });
    for (let index = 0; index < cursor.length; index += 1) {
      const other = cursor[index] === "A" ? "B" : "A";
      const altered = cursor.slice(0, index) + other + cursor.slice(index + 1);
      const refusal = refusalOf(() => parseCursor(taskId, altered));
      expect(refusal.code).toBe("invalid_argument");
      expect(refusal.fields[0]?.field).toBe("cursor");
    }
  });

  test("is refused for another task", () => {
    const cursor = formatCursor(taskId, startPosition);
    const refusal = refusalOf(() => parseCursor(`task_${"b".repeat(32)}`, cursor));
    expect(refusal.reason).toBe("rejected-cursor");
  });

  test.each(["x", "not a cursor", "A".repeat(47), "A".repeat(256), "é".repeat(48)])(
    "is refused when it is %p",
    (text) => {
      expect(refusalOf(() => parseCursor(taskId, text)).reason).toBe("rejected-cursor");
    },
  );
});
