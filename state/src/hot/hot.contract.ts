import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { HotStore } from "./hot-store.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: { readonly bytes: Uint8Array } | undefined) =>
  value === undefined ? undefined : new TextDecoder().decode(value.bytes);

/**
 * What every hot store does. `makeHot` gives one of its own; keys are fresh, so a shared server
 * will do.
 */
export function hotContract(name: string, makeHot: () => HotStore, skip?: string): void {
  const title = `hot store contract: ${name}${skip === undefined ? "" : ` (skipped: ${skip})`}`;
  describe.skipIf(skip !== undefined)(title, () => {
    let hot: HotStore;
    let keyCount = 0;
    const run = crypto.randomUUID();
    const newKey = () => `test:${run}:${keyCount++}`;
    const ttlMs = 60_000;
    const piece = (seq: bigint, offset: number, part: string) => ({
      seq,
      offset,
      bytes: bytes(part),
      sizeMaxBytes: 16,
      ttlMs,
    });

    beforeAll(() => {
      hot = makeHot();
    });
    afterAll(() => hot?.close());

    test("is ready", async () => {
      await hot.ready();
    });

    test("keeps what was set, bytes unchanged", async () => {
      const key = newKey();
      expect(await hot.get(key)).toBeUndefined();
      const value = { seq: 2n ** 60n + 1n, bytes: new Uint8Array([0, 255, 10, 13, 0]) };
      expect(await hot.setIfNewer(key, value, ttlMs)).toBe(true);
      const got = await hot.get(key);
      expect(got?.seq).toBe(value.seq);
      expect([...(got?.bytes ?? [])]).toEqual([...value.bytes]);
      await hot.delete(key);
      expect(await hot.get(key)).toBeUndefined();
    });

    test("a late write never replaces a newer one, to the last bit of the number", async () => {
      const key = newKey();
      const newer = 2n ** 60n + 1n;
      await hot.setIfNewer(key, { seq: newer, bytes: bytes("new") }, ttlMs);
      expect(await hot.setIfNewer(key, { seq: newer - 1n, bytes: bytes("old") }, ttlMs)).toBe(
        false,
      );
      expect(await hot.setIfNewer(key, { seq: 9n, bytes: bytes("old") }, ttlMs)).toBe(false);
      expect(text(await hot.get(key))).toBe("new");
      expect(await hot.setIfNewer(key, { seq: newer, bytes: bytes("again") }, ttlMs)).toBe(true);
      expect(text(await hot.get(key))).toBe("again");
    });

    test("pieces join only in order, and a higher number starts anew", async () => {
      const key = newKey();
      expect(await hot.append(key, piece(5n, 3, "x"))).toBe(false);
      expect(await hot.append(key, piece(5n, 0, "abc"))).toBe(true);
      expect(await hot.append(key, piece(5n, 3, "\0é"))).toBe(true);
      expect(await hot.append(key, piece(5n, 3, "twice"))).toBe(false);
      expect(await hot.append(key, piece(5n, 9, "gap"))).toBe(false);
      expect(await hot.append(key, piece(4n, 0, "late"))).toBe(false);
      expect(text(await hot.get(key))).toBe("abc\0é");
      expect(await hot.append(key, piece(10n, 0, "new"))).toBe(true);
      expect(text(await hot.get(key))).toBe("new");
    });

    test("a copy does not grow over its maximum", async () => {
      const key = newKey();
      expect(await hot.append(key, piece(1n, 0, "0123456789abcdef"))).toBe(true);
      expect(await hot.append(key, piece(1n, 16, "x"))).toBe(false);
      expect(text(await hot.get(key))).toBe("0123456789abcdef");
    });

    test("a copy lapses", async () => {
      const key = newKey();
      await hot.setIfNewer(key, { seq: 1n, bytes: bytes("x") }, 20);
      await Bun.sleep(60);
      expect(await hot.get(key)).toBeUndefined();
    });
  });
}
