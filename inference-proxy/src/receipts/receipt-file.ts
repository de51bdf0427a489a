import { appendFile, mkdir, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, type Logger, messageOf } from "@warmpath/runtime/base";
import { receiptLine } from "./receipt-line.ts";
import type { Receipt, ReceiptFileLimits } from "./types.ts";

/*
 * Receipts on disk: `receipts-2026-11-21.1.jsonl`, one line each, a new file each day (UTC) and
 * after so many bytes. Written in batches behind the requests; what cannot be written is counted
 * and given up, since a request never waits for its receipt.
 */

/** Writes ended receipts to files. */
export interface ReceiptFile {
  /** Takes it for the next batch; false when too many wait already. */
  push(receipt: Receipt): boolean;
  /** Writes what waits. */
  close(): Promise<void>;
}

/** Time that receipts are gathered for, in ms: what a crash loses. */
const batchMs = 1000;
/** Receipts that are turned into text at once: about 2 ms of the event loop. */
const batchReceiptsMax = 256;
/** Receipts that wait while the disk is slow; about 20 MB. */
const waitingMax = 10_000;

const fileName = /^receipts-(\d{4}-\d{2}-\d{2})\.(\d+)\.jsonl$/;

/** Writes into `folder`, which is made when it is not there. Several processes may share it. */
export function createReceiptFile(options: {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: ReceiptFileLimits;
  readonly onWritten: (result: "written" | "lost", count: number) => void;
}): ReceiptFile {
  const { folder, clock, log, limits, onWritten } = options;
  const closed = new AbortController();
  let waiting: Receipt[] = [];
  let writing: Promise<void> | undefined;
  let isFailing = false;

  const writeBatch = async (): Promise<void> => {
    const batch = waiting.slice(0, batchReceiptsMax);
    waiting = waiting.slice(batchReceiptsMax);
    const text = batch.map((receipt) => `${receiptLine(receipt)}\n`).join("");
    try {
      await mkdir(folder, { recursive: true });
      const name = await currentFile(folder, dayOf(clock.nowMs()), limits.receiptFileBytesMax);
      await appendFile(join(folder, name), text);
      onWritten("written", batch.length);
      isFailing = false;
      await removeOldest(folder, limits.receiptFilesBytesMax);
    } catch (error) {
      onWritten("lost", batch.length);
      if (!isFailing) {
        isFailing = true;
        log.warn("receipts cannot be written", { folder, detail: messageOf(error) });
      }
    }
  };

  /** Runs while anything waits; never rejects. */
  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      if (waiting.length < batchReceiptsMax && !closed.signal.aborted) {
        // Rejects only when it is closed, and then the rest is written at once.
        await clock.sleep(batchMs, closed.signal).catch(() => undefined);
      }
      await writeBatch();
    }
    writing = undefined;
  };

  return {
    push: (receipt) => {
      if (waiting.length >= waitingMax) {
        onWritten("lost", 1);
        return false;
      }
      waiting.push(receipt);
      writing ??= run();
      return true;
    },
    close: async () => {
      closed.abort();
      await writing;
    },
  };
}

/** The last file of the day, or the next one when that is full. */
async function currentFile(folder: string, day: string, bytesMax: number): Promise<string> {
  const numbers = (await readdir(folder))
    .map((name) => fileName.exec(name))
    .filter((match) => match?.[1] === day)
    .map((match) => Number(match?.[2]));
  const last = Math.max(1, ...numbers);
  const name = `receipts-${day}.${last}.jsonl`;
  const isFull = numbers.length > 0 && (await stat(join(folder, name))).size >= bytesMax;
  return isFull ? `receipts-${day}.${last + 1}.jsonl` : name;
}

/** Removes the oldest files until the rest fits; the newest stays, whatever its size. */
async function removeOldest(folder: string, bytesMax: number): Promise<void> {
  const files = (await readdir(folder))
    .map((name) => fileName.exec(name))
    .filter((match) => match !== null)
    .toSorted((a, b) => compareTexts(b[1], a[1]) || Number(b[2]) - Number(a[2]));
  let bytes = 0;
  for (const [index, [name]] of files.entries()) {
    // Another process of ours may have been quicker, here and below.
    bytes += await stat(join(folder, name)).then(
      ({ size }) => size,
      () => 0,
    );
    if (bytes > bytesMax && index > 0) {
      await unlink(join(folder, name)).catch(() => undefined);
    }
  }
}

function compareTexts(a = "", b = ""): number {
  return a < b ? -1 : Number(a > b);
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
