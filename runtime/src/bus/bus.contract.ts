import { describe, expect, test } from "bun:test";
import { type Bus, busLimits } from "./bus.ts";

/**
 * What every bus must do; run against each implementation. `makeBus` gives a fresh connection each
 * time.
 */
export function busContract(name: string, makeBus: () => Promise<Bus> | Bus): void {
  describe(`bus contract: ${name}`, () => {
    test("a message reaches every subscriber of its subject, in order", async () => {
      await withBus(makeBus, async (bus, root) => {
        const first: string[] = [];
        const second: string[] = [];
        await bus.subscribe(`${root}.a`, (payload) => first.push(text(payload)));
        await bus.subscribe(`${root}.a`, (payload) => second.push(text(payload)));
        await bus.subscribe(`${root}.b`, (payload) => second.push(`wrong: ${text(payload)}`));
        for (let index = 0; index < 100; index++) {
          bus.publish(`${root}.a`, bytes(String(index)));
        }
        await until(() => first.length === 100 && second.length === 100);
        const expected = Array.from({ length: 100 }, (_, index) => String(index));
        expect(first).toEqual(expected);
        expect(second).toEqual(expected);
      });
    });

    test("a star matches one word, a final > one or more", async () => {
      await withBus(makeBus, async (bus, root) => {
        const star: string[] = [];
        const rest: string[] = [];
        await bus.subscribe(`${root}.*.x`, (_payload, subject) => star.push(subject));
        await bus.subscribe(`${root}.>`, (_payload, subject) => rest.push(subject));
        const subjects = [`${root}.a.x`, `${root}.b.x`, `${root}.a.b.x`, `${root}.a`];
        for (const subject of subjects) {
          bus.publish(subject, bytes("1"));
        }
        await until(() => rest.length === subjects.length);
        expect(star).toEqual([`${root}.a.x`, `${root}.b.x`]);
        expect(rest).toEqual(subjects);
      });
    });

    test("nothing arrives after a subscription is closed", async () => {
      await withBus(makeBus, async (bus, root) => {
        const closed: string[] = [];
        const open: string[] = [];
        const subscription = await bus.subscribe(`${root}.a`, (payload) => {
          closed.push(text(payload));
        });
        await bus.subscribe(`${root}.a`, (payload) => open.push(text(payload)));
        bus.publish(`${root}.a`, bytes("1"));
        await until(() => open.length === 1 && closed.length === 1);
        subscription.close();
        subscription.close();
        bus.publish(`${root}.a`, bytes("2"));
        await until(() => open.length === 2);
        expect(closed).toEqual(["1"]);
      });
    });

    test("a subscriber that throws misses nothing and harms nobody", async () => {
      await withBus(makeBus, async (bus, root) => {
        const seen: string[] = [];
        await bus.subscribe(`${root}.a`, (payload) => {
          seen.push(text(payload));
          throw new Error("subscriber broke");
        });
        bus.publish(`${root}.a`, bytes("1"));
        bus.publish(`${root}.a`, bytes("2"));
        await until(() => seen.length === 2);
        expect(seen).toEqual(["1", "2"]);
      });
    });

    test("publishing is not delivery: a subscriber never runs inside publish", async () => {
      await withBus(makeBus, async (bus, root) => {
        let delivered = 0;
        await bus.subscribe(`${root}.a`, () => {
          delivered += 1;
        });
        bus.publish(`${root}.a`, bytes("1"));
        expect(delivered).toBe(0);
        await until(() => delivered === 1);
      });
    });

    test("a payload over the limit is dropped, and smaller ones still arrive", async () => {
      await withBus(makeBus, async (bus, root) => {
        const sizes: number[] = [];
        await bus.subscribe(`${root}.a`, (payload) => sizes.push(payload.byteLength));
        bus.publish(`${root}.a`, new Uint8Array(busLimits.payloadBytesMax + 1));
        bus.publish(`${root}.a`, new Uint8Array(3));
        await until(() => sizes.length > 0);
        expect(sizes).toEqual([3]);
      });
    });

    test("a closed bus is not ready, and publishing on it does not throw", async () => {
      const bus = await makeBus();
      await bus.ready();
      await bus.close();
      bus.publish("warmpath.contract.closed", bytes("1"));
      await expect(bus.ready()).rejects.toMatchObject({ reason: "rejected-unavailable" });
    });
  });
}

let roots = 0;

/** A subject root of its own for each test, since implementations may share one server. */
async function withBus(
  makeBus: () => Promise<Bus> | Bus,
  use: (bus: Bus, root: string) => Promise<void>,
): Promise<void> {
  const bus = await makeBus();
  roots += 1;
  try {
    await use(bus, `warmpath.contract.${process.pid}-${roots}`);
  } finally {
    await bus.close();
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > deadlineMs) {
      throw new Error("what the test waits for did not happen within 5 s");
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function text(payload: Uint8Array): string {
  return new TextDecoder().decode(payload);
}
