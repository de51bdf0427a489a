import { describe, expect, test } from "bun:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { AgentService, type WatchTaskResponseSchema } from "@warmpath/proto/gateway";
import { follow } from "./follow.ts";

type Response = MessageInitShape<typeof WatchTaskResponseSchema>;

/** Answers each call with the next script: responses, and then an end or an error. */
function scripted(scripts: (Response | ConnectError)[][]) {
  const cursors: string[] = [];
  const transport = createRouterTransport((router) => {
    router.service(AgentService, {
      async *watchTask({ cursor }) {
        cursors.push(cursor);
        for (const each of scripts.shift() ?? []) {
          if (each instanceof ConnectError) {
            throw each;
          }
          yield each;
        }
      },
    });
  });
  return { client: createClient(AgentService, transport), cursors };
}

const delta = (cursor: string): Response => ({
  cursor,
  update: { case: "delta", value: { step: 1, text: cursor } },
});

const completed: Response = {
  cursor: "end",
  update: { case: "event", value: { seq: 3n, kind: { case: "completed", value: {} } } },
};

async function run(scripts: (Response | ConnectError)[][]) {
  const { client, cursors } = scripted(scripts);
  const seen: string[] = [];
  const connected: boolean[] = [];
  const signal = new AbortController().signal;
  const following = follow({
    client,
    taskId: `task_${"0".repeat(32)}`,
    signal,
    onUpdate: ({ cursor }) => seen.push(cursor),
    onConnection: (isConnected) => connected.push(isConnected),
  });
  const failure = await following.then(
    () => undefined,
    (thrown: unknown) => ConnectError.from(thrown),
  );
  return { cursors, seen, connected, failure };
}

describe("follow", () => {
  test("resumes from the last cursor when the stream breaks or ends too early", async () => {
    const broken = new ConnectError("gone", Code.Unavailable);
    const { cursors, seen, connected } = await run([
      [delta("a"), delta("b"), broken],
      [delta("c")],
      [completed],
    ]);
    expect(cursors).toEqual(["", "b", "c"]);
    expect(seen).toEqual(["a", "b", "c", "end"]);
    expect(connected).toEqual([true, true, false, true, false, true]);
  });

  test("gives up at once where trying again cannot help", async () => {
    const { cursors, failure } = await run([[new ConnectError("no", Code.Unauthenticated)]]);
    expect(failure?.code).toBe(Code.Unauthenticated);
    expect(cursors).toEqual([""]);
  });
});
