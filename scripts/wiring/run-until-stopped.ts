import {
  createTracing,
  type DrainStep,
  drain,
  runUntilSignal,
  type Tracing,
} from "@warmpath/runtime";
import { createLogger, type Logger, WarmpathError } from "@warmpath/runtime/base";
import type { Settings } from "./load-settings.ts";

/** What the wiring of a process is given. */
export interface ProcessContext {
  readonly log: Logger;
  tracing(service: string): Tracing;
  /** Names something to close at the end; what was deferred last is closed first. */
  defer(step: DrainStep): void;
  /** Ends the process: something it cannot do without is gone. */
  fail(sentence: string): void;
}

/**
 * Starts a process's parts, and closes them in reverse order when a signal asks for it or the start
 * fails.
 */
export async function runUntilStopped(
  settings: Settings,
  start: (context: ProcessContext) => Promise<void>,
): Promise<void> {
  const { logLevel, logFormat, otlpUrl, drainMs } = settings.system;
  const isTerminal = process.stderr.isTTY === true;
  const log = createLogger({
    service: "warmpath",
    // On a terminal the screen speaks; routine lines would push it away.
    level: isTerminal && logLevel === "info" && logFormat === "auto" ? "warn" : logLevel,
    format: logFormat === "auto" ? (isTerminal ? "text" : "json") : logFormat,
  });
  const steps: DrainStep[] = [];
  const options = { steps, graceMs: drainMs, log };
  if (isTerminal) {
    sayThatItStops(drainMs);
  }
  const stopped = runUntilSignal(options);
  const failure = Promise.withResolvers<never>();
  const context: ProcessContext = {
    log,
    tracing: (service) => {
      const tracing = createTracing({ service, otlpUrl });
      steps.unshift({ name: `traces of ${service}`, close: () => tracing.close() });
      return tracing;
    },
    defer: (step) => {
      steps.unshift(step);
    },
    fail: (sentence) => failure.reject(new WarmpathError("failed-internal", sentence)),
  };
  try {
    await Promise.race([start(context), stopped, failure.promise]);
    await Promise.race([stopped, failure.promise]);
  } catch (error) {
    await drain(options);
    throw error;
  }
  // Everything is closed; whatever still holds the event loop is not worth waiting for.
  process.exit(0);
}

/** Draining can take its time; without a word it would look like a Ctrl-C that was not heard. */
function sayThatItStops(drainMs: number): void {
  const line = `\nStopping: what is open may finish, for up to ${drainMs / 1000} s. Ctrl-C again ends at once.\n`;
  const say = () => void process.stderr.write(line);
  process.once("SIGINT", say);
  process.once("SIGTERM", say);
}
