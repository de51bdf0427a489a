import { done, type Tool, type ToolCall } from "../tools/tool.ts";

/** A tool that counts its effects, by idempotency key. */
export interface EffectTool extends Tool {
  readonly effects: Map<string, number>;
  readonly keysSeen: string[];
}

/** An idempotent one has one effect per key; one that is not has one per call. */
export function createEffectTool(
  name: string,
  options: {
    idempotent: boolean;
    reconcilable?: boolean;
    onCall?: (call: ToolCall) => Promise<void> | void;
  },
): EffectTool {
  const effects = new Map<string, number>();
  const keysSeen: string[] = [];
  return {
    name,
    description: `Test tool ${name}.`,
    parametersJson:
      '{"type":"object","properties":{"n":{"type":"integer"}},"additionalProperties":false}',
    idempotent: options.idempotent,
    effects,
    keysSeen,
    async call(call) {
      const { idempotencyKey: key } = call;
      keysSeen.push(key);
      effects.set(key, options.idempotent ? 1 : (effects.get(key) ?? 0) + 1);
      await options.onCall?.(call);
      return done(`{"effect":"${key}"}`);
    },
    ...(options.reconcilable
      ? {
          async reconcile({ idempotencyKey: key }) {
            return effects.has(key)
              ? done(`{"effect":"${key}"}`)
              : { outcome: "failed" as const, content: "It was never made." };
          },
        }
      : {}),
  };
}
