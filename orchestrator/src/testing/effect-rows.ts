/**
 * An agent whose tools leave a row for every effect, so that effects can be counted over processes
 * that were killed.
 */
import { Role } from "@warmpath/proto/common";
import { messageOf } from "@warmpath/runtime/base";
import type { Store } from "@warmpath/state/log";
import { done, type Tool } from "../tools/tool.ts";
import { specOf, specTool } from "./harness.ts";
import { resultsSeen, type Script } from "./scripted-model.ts";

/** Creates the table of effects. */
export async function createEffectTable(store: Store): Promise<void> {
  await store.write.query("create table effects (key text not null, tool text not null)");
}

/** `spend` must not be repeated; `note` may be, with the same key. */
export function effectTools(store: Store): readonly Tool[] {
  const tool = (name: string, idempotent: boolean): Tool => ({
    name,
    description: `Test tool ${name}.`,
    parametersJson: '{"type":"object"}',
    idempotent,
    async call({ idempotencyKey }) {
      try {
        await store.write.query("insert into effects (key, tool) values ($1, $2)", [
          idempotencyKey,
          name,
        ]);
      } catch (error) {
        return { outcome: "unknown", content: messageOf(error) };
      }
      return done('{"ok":true}');
    },
  });
  return [tool("spend", false), tool("note", true)];
}

/** The agent with both tools. */
export const effectAgent = (store: Store) =>
  specOf("spender", { tools: effectTools(store).map(specTool) });

/** Three steps: both tools at once, one of them again, the answer. */
export const effectModel: Script = (request) => {
  // Earlier tasks of the conversation made calls with the same ids.
  const own = request.messages.findLastIndex(({ role }) => role === Role.USER);
  const results = resultsSeen({ ...request, messages: request.messages.slice(own) });
  if (results.has("c")) return { text: "done" };
  if (results.has("a")) return { calls: [{ callId: "c", name: "spend", args: '{"n":2}' }] };
  return {
    calls: [
      { callId: "a", name: "spend", args: '{"n":1}' },
      { callId: "b", name: "note", args: '{"n":1}' },
    ],
  };
};
