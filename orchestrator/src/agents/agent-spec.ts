import { createHash } from "node:crypto";
import { z } from "zod";

/** Where a tool of an agent is executed. */
const toolSource = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("builtin") }),
  z.strictObject({ kind: z.literal("delegate"), agent: z.string() }),
  z.strictObject({
    kind: z.literal("remote"),
    url: z.string(),
    idempotent: z.boolean(),
    reconcilable: z.boolean(),
  }),
]);

const specTool = z.strictObject({
  name: z.string(),
  description: z.string(),
  parametersJson: z.string(),
  source: toolSource,
});

const agentSpecSchema = z.strictObject({
  version: z.literal(1),
  name: z.string(),
  description: z.string(),
  model: z.string(),
  systemPrompt: z.string(),
  sampling: z.strictObject({
    temperature: z.number().optional(),
    topP: z.number().optional(),
    seed: z.number().optional(),
  }),
  tools: z.array(specTool),
  subAgents: z.array(z.string()),
  limits: z.strictObject({
    maxSteps: z.number(),
    maxOutputTokens: z.number(),
    maxToolCalls: z.number(),
    maxRepeatedCalls: z.number(),
    toolTimeoutMs: z.number(),
    modelTimeoutMs: z.number(),
  }),
});

/**
 * Everything a run depends on, resolved: the agent file plus what each tool told of itself. A run
 * pins it by hash at its first event, so that neither an edited file nor a redeployed tool changes
 * the prompt of a run under way.
 */
export type AgentSpec = Readonly<z.output<typeof agentSpecSchema>>;

/** One tool of a spec, as the model is told of it. */
export type SpecTool = Readonly<z.output<typeof specTool>>;

/** An agent's limits. */
export type AgentLimits = AgentSpec["limits"];

/** The canonical bytes of a spec: JSON with sorted keys, so that equal specs are equal bytes. */
export function bytesFromSpec(spec: AgentSpec): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(sortKeys(spec)));
}

/** Reads pinned bytes back; throws on bytes that no version of this code wrote. */
export function specFromBytes(bytes: Uint8Array): AgentSpec {
  return agentSpecSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
}

/** The hash under which a run pins a spec. */
export function hashOfSpec(spec: AgentSpec): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytesFromSpec(spec)).digest());
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).filter(([, v]) => v !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sortKeys(inner)]));
}
