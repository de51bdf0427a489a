import { type Clock, systemClock } from "./clock.ts";
import { WarmpathError } from "./error.ts";
import { createLineWriter } from "./line-writer.ts";

/** Values attached to a line; errors are written with their reason, sentence, stack and causes. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Structured log of one service. A message is a constant sentence; what varies goes into the
 * fields.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same log with fields added to every line. */
  child(fields: LogFields): Logger;
  /** True when a line of this level would be written; guards costly fields on hot paths. */
  enabled(level: LogLevel): boolean;
}

/** Severity, lowest first. */
export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

/** How {@link createLogger} writes. */
export interface LoggerOptions {
  readonly service: string;
  readonly level: LogLevel;
  /** `json`: one object a line, for machines. `text`: for a terminal. */
  readonly format: "json" | "text";
  /**
   * Takes one line without its newline. Default: standard error, so that standard output stays for
   * results; the lines of one turn of the event loop in one piece.
   */
  readonly write?: (line: string) => void;
  readonly clock?: Clock;
}

let ambientFields: () => LogFields | undefined = () => undefined;

/**
 * Lets the telemetry layer add the ids of the current work to every line; it does so once, at
 * import.
 */
export function registerLogFields(provider: () => LogFields | undefined): void {
  ambientFields = provider;
}

/**
 * Longest line written, in characters; the rest is cut, so that one bad value cannot flood the log.
 */
export const maxLogLineChars = 32_768;

/** A logger over one line writer. */
export function createLogger(options: LoggerOptions): Logger {
  const write = options.write ?? createLineWriter();
  const clock = options.clock ?? systemClock;
  const floor = logLevels.indexOf(options.level);
  const render = options.format === "json" ? renderJson : renderText;
  const make = (bound: LogFields): Logger => {
    const at = (level: LogLevel) => {
      if (logLevels.indexOf(level) < floor) {
        return () => undefined;
      }
      return (message: string, fields?: LogFields) => {
        const shown: Record<string, unknown> = {};
        showIn(shown, ambientFields());
        showIn(shown, bound);
        showIn(shown, fields);
        const line = render(timeText(clock.nowMs()), level, options.service, message, shown);
        write(line.length > maxLogLineChars ? `${line.slice(0, maxLogLineChars)}…` : line);
      };
    };
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child: (fields) => make({ ...bound, ...fields }),
      enabled: (level) => logLevels.indexOf(level) >= floor,
    };
  };
  return make({});
}

/** Swallows everything; for tests and for tools that print their own results. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
  enabled: () => false,
};

/** Adds what the fields show of themselves; a later value of a name replaces an earlier one. */
function showIn(shown: Record<string, unknown>, fields: LogFields | undefined): void {
  // A loop over names: entries would be made for every field of every line.
  for (const name in fields) {
    const value = fields[name];
    if (value !== undefined) {
      shown[name] = plain(value);
    }
  }
}

let lastMs = Number.NaN;
let lastText = "";

/** A time of the wall clock as ISO 8601 has it. Many lines are of one millisecond. */
function timeText(nowMs: number): string {
  if (nowMs !== lastMs) {
    lastMs = nowMs;
    lastText = new Date(nowMs).toISOString();
  }
  return lastText;
}

function renderJson(
  time: string,
  level: LogLevel,
  service: string,
  message: string,
  shown: Readonly<Record<string, unknown>>,
): string {
  return JSON.stringify({ time, level, service, message, ...shown });
}

function renderText(
  time: string,
  level: LogLevel,
  service: string,
  message: string,
  shown: Readonly<Record<string, unknown>>,
): string {
  let line = `${time.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${service}: ${message}`;
  for (const [name, value] of Object.entries(shown)) {
    const isWord = typeof value === "string" && /^[^\s"=\p{C}]+$/u.test(value);
    line += ` ${name}=${isWord ? value : escaped(JSON.stringify(value))}`;
  }
  return line;
}

/** JSON leaves DEL and the C1 codes as they are, and a terminal obeys those as well. */
function escaped(json: string): string {
  return json.replaceAll(
    /[\u007f-\u009f]/g,
    (control) => `\\u00${control.charCodeAt(0).toString(16)}`,
  );
}

const maxCauseDepth = 5;
const maxPlainDepth = 6;

/** A JSON-safe copy: errors opened, bigints as text, bytes as their length, cycles cut by depth. */
function plain(value: unknown, depth = 0): unknown {
  if (typeof value === "bigint") {
    return value.toString();
  }
  if (value instanceof Error) {
    return plainError(value, depth);
  }
  if (value instanceof Uint8Array) {
    return `<${value.byteLength} bytes>`;
  }
  if (typeof value !== "object" || value === null) {
    return typeof value === "function" || typeof value === "symbol" ? String(value) : value;
  }
  if (depth >= maxPlainDepth) {
    return "…";
  }
  if (Array.isArray(value)) {
    return value.map((item) => plain(item, depth + 1));
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, plain(item, depth + 1)]),
  );
}

function plainError(error: Error, depth: number): Record<string, unknown> {
  const shown: Record<string, unknown> = { name: error.name, message: error.message };
  if (error instanceof WarmpathError) {
    shown["reason"] = error.reason;
    if (error.fields.length > 0) {
      shown["fields"] = error.fields;
    }
  }
  // Refusals are expected and their stack says nothing; a fault's stack is the point.
  if (!(error instanceof WarmpathError) || error.reason.startsWith("failed-")) {
    shown["stack"] = error.stack;
  }
  if (error.cause !== undefined && depth < maxCauseDepth) {
    shown["cause"] = plain(error.cause, depth + 1);
  }
  return shown;
}
