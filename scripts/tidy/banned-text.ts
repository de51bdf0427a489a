// Calls that make a test depend on the wall, the dice or the machine, and what to use instead.

import { codeOnly, type Fault, isCode, isTest, lineAt, type SourceFile } from "./source-file.ts";

interface Ban {
  readonly pattern: RegExp;
  readonly instead: string;
  readonly isAllowedIn: (path: string) => boolean;
}

/** The files of the runtime that turn the machine into a seam, or stand at its edge, and why. */
const seams: Readonly<Record<string, string>> = {
  "runtime/src/base/clock.ts": "is the clock",
  "runtime/src/base/random.ts": "is the dice",
  "runtime/src/child.ts": "hands its environment on, and waits for a real process to end",
  "runtime/src/drain.ts": "gives a real process a real time to end",
  "runtime/src/rpc/listen-grpc.ts": "gives open sockets a real time to end",
  "runtime/src/rpc/listen-http.ts": "gives open sockets a real time to end",
  "runtime/src/rpc/grpc-handler.ts": "grpc-js counts deadlines on the wall clock",
  "runtime/src/rpc/grpc-transport.ts": "grpc-js counts deadlines on the wall clock",
};

/**
 * Composition roots, commands and benchmark drivers touch the machine; the engine model does not.
 */
function isOutermost(path: string): boolean {
  if (isTest(path) || path in seams) return true;
  if (/^(scripts|mesh)\//.test(path) || /(^|\/)main\.ts$/.test(path)) return true;
  return path.startsWith("benchmarks/") && !/^benchmarks\/(replica|engine)\//.test(path);
}

/** Code that runs in the visitor's browser has no other clock and no log but the browser's. */
function isBrowser(path: string): boolean {
  return path.startsWith("gateway/src/console/") || path.endsWith(".tsx");
}

const inSeams = (path: string): boolean => isOutermost(path) || isBrowser(path);
const nowhere = (): boolean => false;

const bans: readonly Ban[] = [
  { pattern: /\bDate\.now\b/g, instead: "Clock.nowMs", isAllowedIn: inSeams },
  { pattern: /\bnew Date\(\)/g, instead: "Clock.nowMs", isAllowedIn: inSeams },
  { pattern: /\bperformance\.now\b/g, instead: "Clock.monotonicMs", isAllowedIn: inSeams },
  { pattern: /\bMath\.random\b/g, instead: "an injected Random", isAllowedIn: inSeams },
  { pattern: /\bsetTimeout\b/g, instead: "Clock.sleep with a signal", isAllowedIn: inSeams },
  {
    pattern: /\bsetInterval\b/g,
    instead: "a loop over Clock.sleep that ends with a signal",
    isAllowedIn: inSeams,
  },
  {
    pattern: /\b(process|Bun)\.env\b/g,
    instead: "an option in the service's config.ts",
    isAllowedIn: isOutermost,
  },
  { pattern: /\bconsole\.(log|error|warn|info|debug)\b/g, instead: "Logger", isAllowedIn: inSeams },
  {
    pattern: /\bmock\.module\b/g,
    instead: "a constructor argument and a double from ./testing",
    isAllowedIn: nowhere,
  },
  {
    pattern: /\b(test|it|describe)\.only\b/g,
    instead: "a run of the whole file: the others would be skipped silently",
    isAllowedIn: nowhere,
  },
];

// Spelt in two halves, so that this file is not its own finding.
const leftovers = new RegExp(
  `\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"].join("|")})\\b`,
  "g",
);

/** Banned calls in code, and markers of unfinished work in any text. */
export function bannedText(files: readonly SourceFile[]): readonly Fault[] {
  return files.flatMap((file) => [...bannedCalls(file), ...leftoverMarkers(file)]);
}

function bannedCalls({ path, text }: SourceFile): Fault[] {
  if (!isCode(path)) return [];
  const code = codeOnly(text, { keepStrings: false });
  return bans
    .filter((ban) => !ban.isAllowedIn(path))
    .flatMap((ban) =>
      [...code.matchAll(ban.pattern)].map((match) => ({
        path,
        line: lineAt(text, match.index),
        sentence: `${match[0]} is banned here: use ${ban.instead}`,
      })),
    );
}

function leftoverMarkers({ path, text }: SourceFile): Fault[] {
  if (path === "package-lock.json") return [];
  return [...text.matchAll(leftovers)].map((match) => ({
    path,
    line: lineAt(text, match.index),
    sentence: `${match[0]} marks unfinished work: finish it or open an issue`,
  }));
}
