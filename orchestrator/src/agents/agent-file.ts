import { z } from "zod";
import { agentLimitBounds as bounds } from "./limits.ts";

const agentName = z
  .string()
  .regex(
    /^[a-z][a-z0-9_-]{0,63}$/,
    "a name is lower-case letters, digits, '_' and '-', 64 at most",
  );
const toolName = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, "a tool name is letters, digits, '_' and '-', 64 at most");

const limit = (bound: { min: number; max: number; default: number }) =>
  z.number().int().min(bound.min).max(bound.max).default(bound.default);

const limits = z.strictObject({
  max_steps: limit(bounds.maxSteps),
  max_output_tokens: limit(bounds.maxOutputTokens),
  max_tool_calls: limit(bounds.maxToolCalls),
  max_repeated_calls: limit(bounds.maxRepeatedCalls),
  tool_timeout_ms: limit(bounds.toolTimeoutMs),
  model_timeout_ms: limit(bounds.modelTimeoutMs),
});

const sampling = z.strictObject({
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().gt(0).max(1).optional(),
  seed: z.number().int().optional(),
});

const toolService = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: "an http:// or https:// address of a ToolService" }),
  /** Absent: every tool that the service lists. */
  tools: z.array(toolName).min(1).max(256).optional(),
});

/**
 * What one agent file may say. Unknown keys are refused, so that a misspelt limit is never silently
 * ignored.
 */
export const agentFileSchema = z.strictObject({
  name: agentName,
  description: z.string().min(1).max(4096),
  /** A tier or a model's name, as the inference proxy knows it. Empty: its default. */
  model: z.string().max(256).default(""),
  system_prompt: z.string().min(1).max(131_072),
  tools: z.array(toolName).max(256).default([]),
  sub_agents: z.array(agentName).max(64).default([]),
  tool_services: z.array(toolService).max(16).default([]),
  sampling: sampling.default({}),
  limits: limits.prefault({}),
});

/** One agent file after validation, with defaults filled in. */
export type AgentFile = z.output<typeof agentFileSchema>;
