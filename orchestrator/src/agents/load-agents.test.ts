import { describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { WarmpathError } from "@warmpath/runtime/base";
import { specOf } from "../testing/index.ts";
import { bytesFromSpec, hashOfSpec, specFromBytes } from "./agent-spec.ts";
import { checkAgentFiles, loadAgentFiles } from "./load-agents.ts";

const builtins = new Set(["calculator", "knowledge_search", "http_fetch"]);

function faultsOf(...texts: string[]): string[] {
  try {
    checkAgentFiles(
      texts.map((text, index) => ({ file: `${index}.yaml`, text })),
      builtins,
    );
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(WarmpathError);
    return WarmpathError.from(error).message.split("\n");
  }
}

const good = (name: string, more = "") =>
  `name: ${name}\ndescription: d\nsystem_prompt: s\n${more}`;

describe("agent files", () => {
  test("the samples are valid", async () => {
    const directory = fileURLToPath(new URL("../../agents", import.meta.url));
    const files = await loadAgentFiles([directory], builtins);
    expect(files.map(({ agent }) => agent.name).sort()).toEqual([
      "assistant",
      "clerk",
      "researcher",
      "supervisor",
    ]);
  });

  test.each([
    ["an unknown key", good("a", "tool: [calculator]"), '0.yaml:4:1: unknown key "tool"'],
    [
      "an unknown key within",
      good("a", "limits:\n  max_step: 3"),
      '0.yaml:5:3: unknown key "max_step" in "limits"',
    ],
    ["a value out of range", good("a", "limits:\n  max_steps: 0"), "0.yaml:5:14: "],
    ["a wrong type", good("a", "tools: calculator"), '0.yaml:4:8: "tools"'],
    ["a bad name", good("Bad Name"), "0.yaml:1:7: "],
    ["a missing key", "name: a\ndescription: d\n", '"system_prompt": is required'],
    [
      "an unknown tool",
      good("a", "tools:\n  - calculator\n  - calcualtor"),
      '0.yaml:6:5: there is no built-in tool "calcualtor"',
    ],
    ["a tool listed twice", good("a", "tools: [calculator, calculator]"), "0.yaml:4:21: "],
    [
      "an unknown sub-agent",
      good("a", "sub_agents: [nobody]"),
      '0.yaml:4:14: there is no agent "nobody"',
    ],
    ["itself as sub-agent", good("a", "sub_agents: [a]"), "a → a"],
    ["a service that is no URL", good("a", "tool_services:\n  - url: nowhere"), "0.yaml:5:10: "],
    ["broken YAML", "name: [a", "0.yaml:1:"],
    ["a key given twice", "name: a\nname: b", "0.yaml:2:1: "],
    ["nothing", "", "0.yaml:1:1: "],
    ["a list", "- a", "0.yaml:1:1: "],
  ])("refuses %s with file, line and column", (_, text, expected) => {
    expect(faultsOf(text).join("\n")).toContain(expected);
  });

  test("lists every fault of every file at once", () => {
    const faults = faultsOf(good("a", "x: 1\ny: 2"), good("B"));
    expect(faults).toHaveLength(3);
  });

  test("refuses a name used twice, naming the other file", () => {
    expect(faultsOf(good("a"), good("a"))).toEqual([
      '1.yaml:1:7: agent "a" is already defined in 0.yaml',
    ]);
  });

  test("refuses a circle of delegation, once, with its path", () => {
    const faults = faultsOf(
      good("a", "sub_agents: [b]"),
      good("b", "sub_agents: [c]"),
      good("c", "sub_agents: [a]"),
      good("d", "sub_agents: [a, b]"),
    );
    expect(faults).toEqual(["2.yaml:4:14: agents delegate in a circle: a → b → c → a"]);
  });
});

describe("agent specs", () => {
  test("equal specs have equal bytes whatever the order of their keys, and read back", () => {
    const spec = specOf("a", { sampling: { temperature: 0.5, seed: 1 } });
    const reversed = Object.fromEntries(Object.entries(spec).reverse()) as typeof spec;
    expect(hashOfSpec(reversed)).toEqual(hashOfSpec(spec));
    expect(specFromBytes(bytesFromSpec(spec))).toEqual(spec);
    expect(hashOfSpec(specOf("a"))).not.toEqual(hashOfSpec(spec));
  });
});
