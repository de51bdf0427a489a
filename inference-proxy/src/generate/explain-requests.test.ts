import { expect, test } from "bun:test";
import { testPrincipal } from "@warmpath/runtime/testing";
import { helloStream, startFakeEngine, startTestProxy, streamOf } from "../testing/index.ts";

test("a request is explained by its id and its session, to its tenant only", async () => {
  const engines = [startFakeEngine(), startFakeEngine()];
  const proxy = await startTestProxy(engines);
  try {
    let calls = 0;
    for (const engine of engines) {
      engine.answer = () => {
        calls += 1;
        return calls === 1 ? new Response("{}", { status: 503 }) : streamOf(helloStream);
      };
    }
    const body = { model: "tiny", stream: true, messages: [{ role: "user", content: "hi" }] };
    const ids: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const headers = { "x-session-id": "mine" };
      const response = await proxy.post("/v1/chat/completions", body, { headers });
      ids.push(response.headers.get("x-request-id") ?? "");
      await response.text();
    }
    const principal = testPrincipal();
    const explain = async (id: string) =>
      (await proxy.inference.explainRequests({ id }, { principal })).receipts;
    const [receipt] = await explain(ids[0] ?? "");
    expect(receipt?.requestId).toBe(ids[0] as string);
    expect(receipt?.outcome).toMatchObject({
      outcome: "done",
      inputTokens: 12n,
      cachedInputTokens: 8n,
      outputTokens: 2n,
    });
    const ofSession = await explain("mine");
    expect(ofSession.map(({ requestId }) => requestId)).toEqual(ids.toReversed());
    expect(ofSession.map(({ decisions }) => decisions.length)).toEqual([1, 1, 2]);
    const [refused, served] = receipt?.decisions ?? [];
    expect(served?.replica).not.toBe(refused?.replica as string);
    expect(served?.candidates.map(({ excludedReason }) => excludedReason)).toEqual([
      "",
      "it has been tried",
    ]);
    const other = testPrincipal({ tenant: "globex" });
    const { receipts } = await proxy.inference.explainRequests(
      { id: "mine" },
      { principal: other },
    );
    expect(receipts).toEqual([]);
  } finally {
    await proxy.close();
    await Promise.all(engines.map((engine) => engine.stop()));
  }
});
