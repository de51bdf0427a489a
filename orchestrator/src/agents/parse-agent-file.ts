import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import { type AgentFile, agentFileSchema } from "./agent-file.ts";
import { agentFileBytesMax } from "./limits.ts";

/** One thing wrong with an agent file, where an editor can jump to it. */
export interface AgentFault {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly sentence: string;
}

/** A valid agent file with the means to say where in it something stands. */
export interface ParsedAgentFile {
  readonly file: string;
  readonly agent: AgentFile;
  readonly faultAt: (path: readonly PropertyKey[], sentence: string) => AgentFault;
}

/** Writes a fault the way compilers do, `file:line:column: sentence`. */
export function formatAgentFault(fault: AgentFault): string {
  return `${fault.file}:${fault.line}:${fault.column}: ${fault.sentence}`;
}

/** Reads one agent file; returns every fault at once rather than the first. */
export function parseAgentFile(
  file: string,
  text: string,
): { parsed: ParsedAgentFile } | { faults: readonly AgentFault[] } {
  if (Buffer.byteLength(text) > agentFileBytesMax) {
    const sentence = `the file is larger than ${agentFileBytesMax} bytes`;
    return { faults: [{ file, line: 1, column: 1, sentence }] };
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const at = (offset: number, sentence: string): AgentFault => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1), sentence };
  };
  const syntax = [...document.errors, ...document.warnings];
  if (syntax.length > 0) {
    return { faults: syntax.map((e) => at(e.pos[0], firstLine(e.message))) };
  }
  const result = agentFileSchema.safeParse(document.toJS({ maxAliasCount: 100 }));
  if (!result.success) {
    return { faults: result.error.issues.flatMap((issue) => faultsOfIssue(document, issue, at)) };
  }
  const faultAt = (path: readonly PropertyKey[], sentence: string) =>
    at(offsetOf(document, path), sentence);
  return { parsed: { file, agent: result.data, faultAt } };
}

function faultsOfIssue(
  document: Document,
  issue: z.core.$ZodIssue,
  at: (offset: number, sentence: string) => AgentFault,
): AgentFault[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) =>
      at(keyOffsetOf(document, issue.path, key), `unknown key "${key}"${within(issue.path)}`),
    );
  }
  const where = issue.path.length > 0 ? `"${issue.path.join(".")}": ` : "";
  const missing = issue.code === "invalid_type" && !document.hasIn([...issue.path]);
  const sentence = missing ? `${where}is required` : `${where}${firstLine(issue.message)}`;
  return [at(offsetOf(document, issue.path), sentence)];
}

/** Where a path stands, or the nearest parent that the file has. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

function keyOffsetOf(document: Document, path: readonly PropertyKey[], key: string): number {
  const map = path.length === 0 ? document.contents : document.getIn(path, true);
  if (isMap(map)) {
    for (const pair of map.items) {
      if (isScalar(pair.key) && pair.key.value === key && pair.key.range) return pair.key.range[0];
    }
  }
  return offsetOf(document, path);
}

function within(path: readonly PropertyKey[]): string {
  return path.length === 0 ? "" : ` in "${path.join(".")}"`;
}

function firstLine(message: string): string {
  return message.split("\n", 1)[0] ?? message;
}
