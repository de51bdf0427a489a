import { WarmpathError } from "@warmpath/runtime/base";
import type { RequestTraits, RouteRule } from "./types.ts";

/*
 * `CONDITION … -> MODEL[|MODEL…] …`: models behind the arrow in the order of preference, those with
 * a bar between them of equal rank. All conditions of a line must hold, and the first line that
 * holds decides. Compiled at the start; a request runs closures.
 */

type Condition = (traits: RequestTraits) => boolean;

/** Reads the table; throws `rejected-config` listing every line that is not of its form. */
export function parseRouteRules(entries: readonly string[]): readonly RouteRule[] {
  const faults: string[] = [];
  const rules = entries.map((entry, at) => {
    try {
      return parseRule(entry, String(at + 1));
    } catch (error) {
      faults.push(`"${entry}": ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  });
  if (faults.length > 0) {
    throw new WarmpathError("rejected-config", `WARMPATH_ROUTES: ${faults.join("; ")}`);
  }
  return rules.filter((rule) => rule !== undefined);
}

function parseRule(entry: string, name: string): RouteRule {
  const [left = "", right, ...more] = entry.split("->");
  const conditions = words(left).map(parseCondition);
  const ranks = words(right ?? "").map((rank) => rank.split("|").filter((model) => model !== ""));
  if (more.length > 0 || conditions.length === 0 || ranks.length === 0) {
    throw new Error("must be conditions, an arrow (->) and models");
  }
  return { name, ranks, matches: (traits) => conditions.every((holds) => holds(traits)) };
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

const comparison = /^prompt(>=|<)(\d+)(k?)$/;
const named = /^(header|meta):([^=~\s]+)([=~])(.+)$/;

function parseCondition(word: string): Condition {
  switch (word) {
    case "any":
      return () => true;
    case "tools":
      return (traits) => traits.hasTools();
    case "no-tools":
      return (traits) => !traits.hasTools();
  }
  const size = comparison.exec(word);
  if (size !== null) {
    const tokens = Number(size[2]) * (size[3] === "k" ? 1000 : 1);
    return size[1] === "<"
      ? ({ promptTokens }) => promptTokens < tokens
      : ({ promptTokens }) => promptTokens >= tokens;
  }
  const field = named.exec(word);
  if (field !== null) {
    const [, where, name = "", operator, value = ""] = field;
    const fits = operator === "~" ? matcher(value) : (text: string) => text === value;
    const read = (traits: RequestTraits) =>
      where === "header" ? traits.header(name) : traits.metadata(name);
    return (traits) => {
      const text = read(traits);
      return text !== undefined && fits(text);
    };
  }
  return parseName(word);
}

/** `model=`, `tier=` with one of several names, and `text~` with an expression. */
function parseName(word: string): Condition {
  if (word.startsWith("text~")) {
    const fits = matcher(word.slice("text~".length));
    return (traits) => fits(traits.text());
  }
  const at = word.indexOf("=");
  const names = new Set(word.slice(at + 1).split("|"));
  switch (at < 0 ? "" : word.slice(0, at)) {
    case "model":
      return ({ asked }) => names.has(asked);
    case "tier":
      return ({ tier, asked }) => names.has(tier === "" ? asked : tier);
    default:
      throw new Error(`"${word}" is no condition`);
  }
}

function matcher(source: string): (text: string) => boolean {
  const expression = new RegExp(source, "iu");
  return (text) => expression.test(text);
}
