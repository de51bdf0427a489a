import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { WarmpathError } from "@warmpath/runtime/base";
import { agentFilesMax } from "./limits.ts";
import {
  type AgentFault,
  formatAgentFault,
  type ParsedAgentFile,
  parseAgentFile,
} from "./parse-agent-file.ts";

/**
 * Reads all agent files of the directories; throws one error that lists every fault of every file.
 */
export async function loadAgentFiles(
  directories: readonly string[],
  builtinTools: ReadonlySet<string>,
): Promise<readonly ParsedAgentFile[]> {
  const sources: { file: string; text: string }[] = [];
  for (const directory of directories) {
    const names = (await entriesOf(directory)).filter((name) => /\.ya?ml$/.test(name)).sort();
    if (names.length > agentFilesMax) {
      throw new WarmpathError(
        "rejected-config",
        `${directory} holds ${names.length} agent files; at most ${agentFilesMax} are read`,
      );
    }
    for (const name of names) {
      const file = join(directory, name);
      sources.push({ file, text: await readFile(file, "utf8") });
    }
  }
  return checkAgentFiles(sources, builtinTools);
}

async function entriesOf(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    throw new WarmpathError("rejected-config", `the agents directory ${directory} cannot be read`, {
      cause: error,
    });
  }
}

/** The pure part of loading: texts in, agents or one error with all faults out. */
export function checkAgentFiles(
  sources: readonly { file: string; text: string }[],
  builtinTools: ReadonlySet<string>,
): readonly ParsedAgentFile[] {
  const faults: AgentFault[] = [];
  const parsed: ParsedAgentFile[] = [];
  for (const { file, text } of sources) {
    const result = parseAgentFile(file, text);
    if ("faults" in result) faults.push(...result.faults);
    else parsed.push(result.parsed);
  }
  faults.push(...duplicateNames(parsed));
  // Names of broken files are not known, so references are judged only when every file could be
  // read.
  if (faults.length === 0) {
    faults.push(...unknownNames(parsed, builtinTools), ...delegationCycles(parsed));
  }
  if (faults.length > 0) {
    throw new WarmpathError("rejected-agent-spec", faults.map(formatAgentFault).join("\n"), {
      fields: faults.map((fault) => ({
        field: `${fault.file}:${fault.line}:${fault.column}`,
        fault: fault.sentence,
      })),
    });
  }
  return parsed;
}

function duplicateNames(parsed: readonly ParsedAgentFile[]): AgentFault[] {
  const first = new Map<string, ParsedAgentFile>();
  const faults: AgentFault[] = [];
  for (const file of parsed) {
    const earlier = first.get(file.agent.name);
    if (earlier) {
      const sentence = `agent "${file.agent.name}" is already defined in ${earlier.file}`;
      faults.push(file.faultAt(["name"], sentence));
    } else first.set(file.agent.name, file);
  }
  return faults;
}

function unknownNames(
  parsed: readonly ParsedAgentFile[],
  builtinTools: ReadonlySet<string>,
): AgentFault[] {
  const agents = new Set(parsed.map((file) => file.agent.name));
  const faults: AgentFault[] = [];
  for (const file of parsed) {
    const seenTools = new Set<string>();
    file.agent.tools.forEach((tool, index) => {
      if (!builtinTools.has(tool)) {
        const known = [...builtinTools].sort().join(", ");
        const sentence = `there is no built-in tool "${tool}" (there are: ${known}); tools of a service are named under "tool_services"`;
        faults.push(file.faultAt(["tools", index], sentence));
      } else if (seenTools.has(tool)) {
        faults.push(file.faultAt(["tools", index], `tool "${tool}" is listed twice`));
      }
      seenTools.add(tool);
    });
    const seenAgents = new Set<string>();
    file.agent.sub_agents.forEach((name, index) => {
      if (!agents.has(name)) {
        faults.push(file.faultAt(["sub_agents", index], `there is no agent "${name}"`));
      } else if (seenAgents.has(name)) {
        faults.push(file.faultAt(["sub_agents", index], `agent "${name}" is listed twice`));
      }
      seenAgents.add(name);
    });
  }
  return faults;
}

/** One fault per cycle, at the reference that closes it. */
function delegationCycles(parsed: readonly ParsedAgentFile[]): AgentFault[] {
  const files = new Map(parsed.map((file) => [file.agent.name, file]));
  const done = new Set<string>();
  const faults: AgentFault[] = [];
  const visit = (file: ParsedAgentFile, path: readonly string[]): void => {
    const { name } = file.agent;
    if (done.has(name)) return;
    file.agent.sub_agents.forEach((next, index) => {
      const trail = [...path, name];
      const start = trail.indexOf(next);
      if (start >= 0) {
        const cycle = [...trail.slice(start), next].join(" → ");
        faults.push(file.faultAt(["sub_agents", index], `agents delegate in a circle: ${cycle}`));
        return;
      }
      const target = files.get(next);
      if (target) visit(target, trail);
    });
    done.add(name);
  };
  for (const file of parsed) visit(file, []);
  return faults;
}
