import { all, create, type FactoryFunctionMap, type MathNode } from "mathjs";
import { done, failed, type Tool } from "./tool.ts";

/**
 * Characters of an expression: far above what a question needs, far below what slows the parser.
 */
const expressionCharsMax = 1_000;
/** Nodes of a parsed expression. */
const nodesMax = 200;
/** Largest argument of factorial: 170! is the last one below 1e308, and takes microseconds. */
const factorialMax = 170;
/** Largest exponent: keeps a power below about 10,000 digits of work. */
const exponentMax = 10_000;
/** Significant digits that results keep. */
const precisionDigits = 64;

/**
 * Functions a question may use. A list of what is allowed, so that a new mathjs function is not
 * allowed by accident.
 */
const functionNames: ReadonlySet<string> = new Set([
  ...[
    "abs",
    "ceil",
    "floor",
    "round",
    "fix",
    "sign",
    "sqrt",
    "cbrt",
    "exp",
    "log",
    "log2",
    "log10",
  ],
  ...["sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh"],
  ...["min", "max", "sum", "mean", "median", "mod", "gcd", "lcm", "pow", "factorial", "hypot"],
]);
const constantNames: ReadonlySet<string> = new Set(["pi", "e", "tau", "phi"]);
/**
 * Operators, by the mathjs function that each maps to. No assignment, comparison, range, unit or
 * bitwise shift.
 */
const operatorNames: ReadonlySet<string> = new Set([
  ...[
    "add",
    "subtract",
    "multiply",
    "divide",
    "mod",
    "pow",
    "factorial",
    "unaryMinus",
    "unaryPlus",
  ],
]);

// Typed as possibly undefined by mathjs, although its full build always has it.
const math = create(all as FactoryFunctionMap, { number: "BigNumber", precision: precisionDigits });

/** Arithmetic with 64 significant digits; parses, never evaluates code. */
export const calculator: Tool = {
  name: "calculator",
  description:
    "Calculates an arithmetic expression exactly (64 significant digits). Supports + - * / ^ % ! parentheses, pi, e and functions such as sqrt, log, sin, min, max, mean, round.",
  parametersJson: JSON.stringify({
    type: "object",
    properties: {
      expression: {
        type: "string",
        description: 'The expression, such as "12345 * 678" or "sqrt(2) / 3".',
        minLength: 1,
        maxLength: expressionCharsMax,
      },
    },
    required: ["expression"],
    additionalProperties: false,
  }),
  idempotent: true,
  async call({ argumentsJson }) {
    // The arguments were validated against the schema above.
    const { expression } = JSON.parse(argumentsJson) as { expression: string };
    return calculate(expression);
  },
};

/** The calculator without its envelope. */
export function calculate(expression: string) {
  if (expression.length > expressionCharsMax) {
    return failed(`The expression is longer than ${expressionCharsMax} characters.`);
  }
  try {
    const node = math.parse(expression.replaceAll("×", "*").replaceAll("÷", "/"));
    const fault = refusalOf(node);
    if (fault) return failed(fault);
    const value: unknown = node.compile().evaluate();
    if (!math.isBigNumber(value)) return failed("The expression does not come to a real number.");
    if (!value.isFinite())
      return failed("The result is not finite (a division by zero, or too large).");
    return done(JSON.stringify({ expression, result: textOfNumber(value) }));
  } catch (error) {
    return failed(`The expression cannot be calculated: ${messageOf(error)}`);
  }
}

/**
 * Why an expression is not arithmetic, or undefined. Judged on the tree, before anything is
 * evaluated.
 */
function refusalOf(root: MathNode): string | undefined {
  let nodes = 0;
  let fault: string | undefined;
  root.traverse((node, path, parent) => {
    nodes += 1;
    fault ??=
      nodes > nodesMax ? "The expression has too many parts." : refusalOfNode(node, path, parent);
  });
  return fault;
}

function refusalOfNode(node: MathNode, path: string, parent: MathNode | null): string | undefined {
  if (math.isConstantNode(node)) {
    return math.isBigNumber(node.value) || typeof node.value === "number"
      ? undefined
      : "Only numbers can be calculated with.";
  }
  if (math.isParenthesisNode(node)) return undefined;
  if (math.isOperatorNode(node)) {
    if (!operatorNames.has(node.fn)) return `The operator "${node.op}" is not available.`;
    if (node.fn === "pow") return boundOf(node.args[1], exponentMax, "An exponent");
    if (node.fn === "factorial") return boundOf(node.args[0], factorialMax, "The argument of !");
    return undefined;
  }
  if (math.isFunctionNode(node)) {
    const name = node.fn.name;
    if (!functionNames.has(name)) return `The function "${name}" is not available.`;
    if (name === "pow") return boundOf(node.args[1], exponentMax, "An exponent");
    if (name === "factorial")
      return boundOf(node.args[0], factorialMax, "The argument of factorial");
    return undefined;
  }
  if (math.isSymbolNode(node)) {
    const isFunctionName = path === "fn" && parent !== null && math.isFunctionNode(parent);
    if (isFunctionName || constantNames.has(node.name)) return undefined;
    return `"${node.name}" is not known; only numbers, pi, e and the listed functions are.`;
  }
  return "Only arithmetic is available: no assignments, functions, arrays, strings or units.";
}

/**
 * Bounds the operand whose size drives the cost. It must itself be cheap: nested powers and
 * factorials there are refused instead of evaluated.
 */
function boundOf(node: MathNode | undefined, max: number, what: string): string | undefined {
  if (!node) return `${what} is missing.`;
  let nested = false;
  node.traverse((inner) => {
    if (math.isOperatorNode(inner) && (inner.fn === "pow" || inner.fn === "factorial"))
      nested = true;
    if (math.isFunctionNode(inner) && ["pow", "factorial", "exp"].includes(inner.fn.name))
      nested = true;
  });
  if (nested) return `${what} must not itself hold a power or a factorial.`;
  const fault = refusalOf(node);
  if (fault) return fault;
  const value: unknown = node.compile().evaluate();
  if (!math.isBigNumber(value)) return `${what} must be a real number.`;
  return value.abs().greaterThan(max) ? `${what} must not exceed ${max}.` : undefined;
}

/** Plain digits while they are readable, scientific notation beyond. */
function textOfNumber(value: { abs(): { toNumber(): number } }): string {
  const size = value.abs().toNumber();
  const plain = size === 0 || (size >= 1e-12 && size < 1e60);
  // math.format accepts any of its number types; the option picks the notation.
  return math.format(value, plain ? { notation: "fixed" } : { notation: "exponential" });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
