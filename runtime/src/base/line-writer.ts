import { writeSync } from "node:fs";

/** Where lines end up, for tests; the default is standard error. */
export interface LineSink {
  write(text: string): void;
  /** Writes at once, when the process is about to end and nothing later would run. */
  writeLast(text: string): void;
}

const standardError: LineSink = {
  write: (text) => void process.stderr.write(text),
  writeLast: (text) => {
    try {
      writeSync(2, text);
    } catch {
      // Nobody reads it any more, or it is full: the process ends all the same.
    }
  },
};

/** Lines that wait are written at the latest when they have so many characters. */
const waitingCharsMax = 64 * 1024;

/**
 * Writes lines together: one system call for all lines of one turn of the event loop. What waits
 * when the process exits is written then.
 */
export function createLineWriter(sink: LineSink = standardError): (line: string) => void {
  let waiting = "";
  const flush = (): void => {
    const text = waiting;
    waiting = "";
    if (text !== "") {
      sink.write(text);
    }
  };
  const flushLast = (): void => {
    sink.writeLast(waiting);
    waiting = "";
  };
  return (line) => {
    if (waiting === "") {
      process.once("exit", flushLast);
      setImmediate(() => {
        process.off("exit", flushLast);
        flush();
      });
    }
    waiting += `${line}\n`;
    if (waiting.length > waitingCharsMax) {
      flush();
    }
  };
}
