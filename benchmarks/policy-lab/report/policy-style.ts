import type { PolicyFacts } from "../result.ts";
import { infiniteCache } from "../result.ts";

/** How one policy is drawn: colour, marker and dash each tell it apart on their own. */
export interface PolicyStyle {
  readonly name: string;
  readonly facts: PolicyFacts | undefined;
  /** Class of everything that belongs to it; also the id of its filter. */
  readonly key: string;
  /** Short enough for the end of a line. */
  readonly label: string;
  readonly isBound: boolean;
  /** CSS colour: light theme, dark theme. */
  readonly colours: readonly [light: string, dark: string];
  readonly marker: MarkerName;
  readonly dash: string;
}

export type MarkerName =
  | "circle"
  | "square"
  | "diamond"
  | "up"
  | "down"
  | "cross"
  | "plus"
  | "star"
  | "none";

type Look = readonly [label: string, light: string, dark: string, marker: MarkerName, dash: string];

const solid = "";
const dashed = "6 3";
const dotted = "1.5 3";

/** Greys know nothing, greens stick, warm colours look at caches; ours is the one strong blue. */
const looks: Readonly<Record<string, Look>> = {
  random: ["random", "#7d7d7d", "#a3a3a3", "cross", dotted],
  "round-robin": ["round-rob.", "#8c6b4a", "#c19a6b", "plus", dashed],
  "least-loaded": ["least-load", "#4f6478", "#9db4c8", "square", solid],
  "power-of-two": ["pow-of-2", "#8a94a0", "#7d8a97", "diamond", "8 3 2 3"],
  "session-hash": ["session-h.", "#12806f", "#3fc1ab", "up", solid],
  "prefix-hash": ["prefix-h.", "#5c9e43", "#8fd174", "down", dashed],
  "llm-d": ["llm-d", "#c65a11", "#f0904d", "circle", dashed],
  "llm-d-precise": ["llm-d prec.", "#a63d00", "#ffa36b", "star", solid],
  "vllm-balancer": ["vllm-bal.", "#b07a56", "#cda284", "down", dotted],
  "cache-aware": ["cache-aw.", "#9a7b00", "#e0bd3a", "square", dashed],
  dynamo: ["dynamo", "#3f7d20", "#79c255", "diamond", solid],
  lmetric: ["lmetric", "#7a3fb5", "#b98aec", "up", solid],
  "thunder-agent": ["thunder-a.", "#b0235f", "#f070a6", "star", solid],
  warmpath: ["warmpath", "#0b5ed7", "#5ca2ff", "circle", solid],
  oracle: ["oracle", "#1c1c1c", "#f2f2f2", "none", dashed],
  [infiniteCache]: ["∞ cache", "#1c1c1c", "#f2f2f2", "none", dotted],
};

/** For policies that somebody adds: told apart by the order in which they come. */
const spares: readonly Look[] = [
  ["", "#007c91", "#4dc4d6", "plus", solid],
  ["", "#a1343c", "#f08a90", "diamond", dashed],
  ["", "#5a5f00", "#c3c95a", "cross", solid],
  ["", "#47478f", "#a2a2f0", "square", dotted],
];

/** A style for each name: contenders in their order, then bounds. */
export function stylesOf(
  names: readonly string[],
  facts: readonly PolicyFacts[],
): readonly PolicyStyle[] {
  let spare = 0;
  const styles = names.map((name, index): PolicyStyle => {
    const its = facts.find((fact) => fact.name === name);
    const look = looks[name] ?? spares[spare++ % spares.length]!;
    const [label, light, dark, marker, dash] = look;
    return {
      name,
      facts: its,
      key: `p${index}`,
      label: label || name.slice(0, 11),
      isBound: its?.isBound ?? name === infiniteCache,
      colours: [light, dark],
      marker,
      dash,
    };
  });
  return styles.toSorted((one, other) => Number(one.isBound) - Number(other.isBound));
}
