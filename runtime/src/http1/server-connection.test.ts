import { describe, expect, test } from "bun:test";
import type { Socket } from "bun";
import type { BodySink, HttpAnswer } from "./answer.ts";
import { createBodyBudget } from "./body-budget.ts";
import type { HttpRequest } from "./request.ts";
import { ServerConnection } from "./server-connection.ts";
import type { SocketOwner } from "./socket-owner.ts";

/*
 * Goal: a client that takes its answer slowly gets all of it, and one that takes nothing is left.
 * Method: a socket that takes as many bytes as the test says; seconds are noted and never waited.
 */

function open(answer: HttpAnswer, onRequest = (_: HttpRequest): void => undefined) {
  let room = 0;
  let taken = 0;
  const seen = { seconds: [] as number[], ends: 0, closed: 0 };
  const socket = {
    write: (_: Uint8Array, __: number, length: number) => {
      const took = Math.min(room, length);
      room -= took;
      taken += took;
      return took;
    },
    timeout: (seconds: number) => void seen.seconds.push(seconds),
    end: () => {
      seen.ends += 1;
    },
    terminate: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
  };
  const handled = Promise.withResolvers<void>();
  const connection = new ServerConnection(socket as unknown as Socket<SocketOwner>, {
    handle: async (request) => {
      onRequest(request);
      setTimeout(handled.resolve);
      return answer;
    },
    answerError: () => new Response(),
    date: () => "",
    isClosing: false,
    bodies: createBodyBudget(Number.POSITIVE_INFINITY),
    onFault: handled.reject,
    takeHttp2: () => undefined,
    onClosed: () => {
      seen.closed += 1;
    },
  });
  return {
    seen,
    connection,
    handled: handled.promise,
    read: (text: string) => connection.read(Buffer.from(text)),
    take: (bytes: number) => {
      room = bytes;
      connection.drained();
      return taken;
    },
    last: () => seen.seconds.at(-1),
  };
}

const whole = { status: 200, headers: {}, body: Buffer.alloc(1000) };

describe("a client that is behind", () => {
  test("has its time anew with all that it takes, on a connection that closes too", async () => {
    for (const header of ["", "Connection: close\r\n"]) {
      const { seen, handled, read, take, last } = open(whole);
      read(`GET / HTTP/1.1\r\nHost: x\r\n${header}\r\n`);
      await handled;
      expect(last()).toBe(120);
      for (let round = 0; round < 3; round += 1) {
        const before = seen.seconds.length;
        take(100);
        expect([seen.seconds.length, last(), seen.ends]).toEqual([before + 1, 120, 0]);
      }
      expect(take(1e6)).toBeGreaterThan(1000);
      expect([last(), seen.ends]).toEqual(header === "" ? [120, 0] : [8, 1]);
    }
  });

  test("in the middle of a stream is not waited for without end, and else has all the time", async () => {
    const { handled, read, take, last } = open({
      status: 200,
      headers: {},
      body: (sink) => {
        sink.write(Buffer.alloc(1000));
        sink.flush();
      },
    });
    read("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await handled;
    expect(last()).toBe(120);
    take(1e6);
    expect(last()).toBe(0);
  });
});

test("a client whose leaving makes a listener throw is gone for the server all the same", async () => {
  const flow = (sink: BodySink) => {
    sink.write(Buffer.alloc(1000));
    sink.flush();
    sink.onDrain = () => told.push("drained");
  };
  const told: string[] = [];
  const { connection, seen, handled, read } = open(
    { status: 200, headers: {}, body: flow },
    ({ signal }) =>
      signal.addEventListener("abort", () => {
        throw new Error("a listener's fault");
      }),
  );
  read("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await handled;
  expect(() => connection.closed()).toThrow("a listener's fault");
  expect([seen.closed, told]).toEqual([1, ["drained"]]);
});
