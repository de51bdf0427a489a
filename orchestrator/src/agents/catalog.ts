import type { Tool as OfferedTool } from "@warmpath/proto/tool";
import { systemTenant } from "@warmpath/runtime";
import { type Logger, messageOf } from "@warmpath/runtime/base";
import { compileSchema } from "../tools/arguments.ts";
import { delegateTool } from "../tools/delegate.ts";
import type { ToolServiceClient } from "../tools/remote-tool.ts";
import type { Tool } from "../tools/tool.ts";
import type { AgentFile } from "./agent-file.ts";
import type { AgentSpec, SpecTool } from "./agent-spec.ts";
import type { ParsedAgentFile } from "./parse-agent-file.ts";

/** The agents that this worker can run. */
export interface AgentCatalog {
  get(name: string): AgentSpec | undefined;
  all(): readonly AgentSpec[];
  /** Resolves agents whose tool services could not be asked before; never throws. */
  resolve(): Promise<void>;
}

/** What resolving an agent file into a spec needs. */
export interface CatalogOptions {
  readonly files: readonly ParsedAgentFile[];
  readonly builtins: ReadonlyMap<string, Tool>;
  readonly service: (url: string) => ToolServiceClient;
  readonly toolListTimeoutMs: number;
  readonly log: Logger;
}

/** A catalog in which nothing is resolved yet. */
export function createCatalog(options: CatalogOptions): AgentCatalog {
  const { files, log } = options;
  const specs = new Map<string, AgentSpec>();
  const descriptions = new Map(files.map(({ agent }) => [agent.name, agent.description]));
  return {
    get: (name) => specs.get(name),
    all: () => [...specs.values()],
    async resolve() {
      const open = files.filter(({ agent }) => !specs.has(agent.name));
      await Promise.all(
        open.map(async ({ file, agent }) => {
          try {
            specs.set(agent.name, await specFromFile(agent, descriptions, options));
          } catch (error) {
            // The other agents are not held up; this one is tried again at the next renewal.
            log.warn("agent cannot be offered yet", {
              agent: agent.name,
              file,
              error: messageOf(error),
            });
          }
        }),
      );
    },
  };
}

async function specFromFile(
  agent: AgentFile,
  descriptions: ReadonlyMap<string, string>,
  options: CatalogOptions,
): Promise<AgentSpec> {
  const tools: SpecTool[] = [];
  for (const name of agent.tools) {
    const tool = options.builtins.get(name);
    if (!tool) throw new Error(`there is no built-in tool ${name}`);
    const { description, parametersJson } = tool;
    tools.push({ name, description, parametersJson, source: { kind: "builtin" } });
  }
  for (const service of agent.tool_services) {
    tools.push(...(await remoteTools(service.url, service.tools, options)));
  }
  for (const name of agent.sub_agents) {
    tools.push(delegateTool({ name, description: descriptions.get(name) ?? "" }));
  }
  assertDistinct(tools);
  const { temperature, top_p: topP, seed } = agent.sampling;
  return {
    version: 1,
    name: agent.name,
    description: agent.description,
    model: agent.model,
    systemPrompt: agent.system_prompt,
    sampling: {
      ...(temperature === undefined ? {} : { temperature }),
      ...(topP === undefined ? {} : { topP }),
      ...(seed === undefined ? {} : { seed }),
    },
    tools,
    subAgents: agent.sub_agents,
    limits: {
      maxSteps: agent.limits.max_steps,
      maxOutputTokens: agent.limits.max_output_tokens,
      maxToolCalls: agent.limits.max_tool_calls,
      maxRepeatedCalls: agent.limits.max_repeated_calls,
      toolTimeoutMs: agent.limits.tool_timeout_ms,
      modelTimeoutMs: agent.limits.model_timeout_ms,
    },
  };
}

async function remoteTools(
  url: string,
  wanted: readonly string[] | undefined,
  options: CatalogOptions,
): Promise<SpecTool[]> {
  // Listing is no tenant's affair; the service sees no principal until a tool is called.
  const principal = { tenant: systemTenant, user: "orchestrator", keyId: "", agentChain: [] };
  const timeoutMs = options.toolListTimeoutMs;
  const { tools } = await options.service(url).listTools({}, { principal, timeoutMs });
  const offered = new Map(tools.map((tool) => [tool.definition?.name ?? "", tool]));
  const names = wanted ?? [...offered.keys()].sort();
  return names.map((name) => specToolFromOffer(url, name, offered.get(name)));
}

function specToolFromOffer(url: string, name: string, tool: OfferedTool | undefined): SpecTool {
  if (!tool?.definition) throw new Error(`the tool service ${url} offers no tool "${name}"`);
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
    throw new Error(`the tool service ${url} offers a tool whose name is not a tool name`);
  }
  const { description, parametersJson } = tool.definition;
  compileSchema(parametersJson);
  const { idempotent, reconcilable } = tool;
  return {
    name,
    description,
    parametersJson,
    source: { kind: "remote", url, idempotent, reconcilable },
  };
}

function assertDistinct(tools: readonly SpecTool[]): void {
  const seen = new Set<string>();
  for (const { name } of tools) {
    if (seen.has(name)) throw new Error(`two of its tools are named "${name}"`);
    seen.add(name);
  }
}
