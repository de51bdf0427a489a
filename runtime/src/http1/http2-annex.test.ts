import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { Socket } from "bun";
import { createHttp2Annex } from "./http2-annex.ts";
import type { SocketOwner } from "./socket-owner.ts";

const openFiles = () => readdirSync("/proc/self/fd").length;

test.skipIf(process.platform !== "linux")(
  "clients of HTTP/2 that leave at once leave no connections behind",
  async () => {
    const annex = createHttp2Annex(async () => new Response("ok"));
    const comeAndGo = () => {
      const socket = { data: undefined as SocketOwner | undefined, end: () => undefined };
      annex.take(socket as unknown as Socket<SocketOwner>, Buffer.from("SM\r\n\r\n"));
      socket.data?.closed();
    };
    // The first one starts the platform's server, which stays.
    comeAndGo();
    await Bun.sleep(50);
    const before = openFiles();
    for (let round = 0; round < 20; round += 1) {
      comeAndGo();
    }
    for (let round = 0; round < 100 && openFiles() > before; round += 1) {
      await Bun.sleep(10);
    }
    expect(openFiles()).toBeLessThanOrEqual(before);
    await annex.close(0);
  },
);

test("a client that begins in HTTP/2 and then says nothing is left, one that speaks is kept", async () => {
  const idleMs = 60;
  const annex = createHttp2Annex(async () => new Response("ok"), { idleMs });
  const ended: string[] = [];
  const come = (name: string) => {
    const socket = {
      data: undefined as SocketOwner | undefined,
      end: () => ended.push(name),
      write: (bytes: Uint8Array) => bytes.length,
      pause: () => undefined,
      resume: () => undefined,
    };
    annex.take(socket as unknown as Socket<SocketOwner>, Buffer.from("SM\r\n\r\n"));
    return socket;
  };
  come("silent");
  const speaking = come("speaking");
  // A SETTINGS frame without settings: something to hear of, which nobody minds.
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  for (let round = 0; round < 200 && ended.length === 0; round += 1) {
    speaking.data?.read(settings);
    await Bun.sleep(5);
  }
  expect(ended).toEqual(["silent"]);
  for (let round = 0; round < 200 && ended.length < 2; round += 1) {
    await Bun.sleep(5);
  }
  expect(ended).toEqual(["silent", "speaking"]);
  await annex.close(0);
});

test("a client that is slow to read still gets what was sent before the server closed", async () => {
  const annex = createHttp2Annex(async () => new Response("ok"));
  const told: string[] = [];
  let takes = false;
  const socket = {
    data: undefined as (SocketOwner & { drained(): void }) | undefined,
    end: () => told.push("end"),
    write: (bytes: Uint8Array) => {
      told.push(takes ? "taken" : "not yet");
      return takes ? bytes.length : 0;
    },
    pause: () => undefined,
    resume: () => undefined,
  };
  // The server answers the preface with its settings.
  annex.take(socket as unknown as Socket<SocketOwner>, Buffer.from("SM\r\n\r\n"));
  for (let round = 0; round < 200 && told.length === 0; round += 1) {
    await Bun.sleep(5);
  }
  const closed = annex.close(20_000).then(() => told.push("closed"));
  await Bun.sleep(50);
  expect(new Set(told)).toEqual(new Set(["not yet"]));
  takes = true;
  socket.data?.drained();
  await closed;
  expect(told.slice(-3)).toEqual(["taken", "end", "closed"]);
});
