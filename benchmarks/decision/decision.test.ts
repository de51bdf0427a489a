import { expect, test } from "bun:test";
import { AgentSession, shapes } from "./bodies.ts";
import { runDecision, tinyPlan } from "./decision.ts";

test("the bench finds each session again, and reports every time it took", () => {
  const { report, bars } = runDecision(tinyPlan, { onProgress: () => undefined });
  const fleets = tinyPlan.whole.replicas.length;
  expect(report.rounds).toHaveLength((1 + fleets) * shapes.length);
  expect(report.figures).toHaveLength((4 + 6 * fleets) * shapes.length);
  for (const { value } of report.figures) expect(value).toBeGreaterThan(0);
  expect(bars).toEqual([]);
});

test("bodies are JSON of about the length asked for, and grow at their end", () => {
  for (const shape of shapes) {
    const session = new AgentSession(shape, 1).growTo(50_000);
    const before = session.body();
    expect(Math.abs(before.length / 50_000 - 1)).toBeLessThan(0.4);
    session.addTurn();
    const { messages } = JSON.parse(new TextDecoder().decode(session.body()));
    expect(messages.slice(0, -2)).toEqual(JSON.parse(new TextDecoder().decode(before)).messages);
    expect(new AgentSession(shape, 2).growTo(1000).body()).not.toEqual(before);
  }
});
