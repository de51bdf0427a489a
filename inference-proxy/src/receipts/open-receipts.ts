import type { Clock, Logger } from "@warmpath/runtime/base";
import type { ReceiptMetrics } from "./metrics.ts";
import { createReceiptBook, type ReceiptBook } from "./receipt-book.ts";
import { createReceiptFile } from "./receipt-file.ts";
import type { ReceiptFileLimits, ReceiptLimits } from "./types.ts";

/** The receipts of this process, in memory and perhaps in files. */
export interface Receipts extends ReceiptBook {
  /** Writes what is not written yet. */
  close(): Promise<void>;
}

/** Opens them as the settings say: without a folder nothing is written. */
export function openReceipts(options: {
  readonly config: ReceiptLimits &
    ReceiptFileLimits & { readonly receiptsFolder?: string | undefined };
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ReceiptMetrics;
}): Receipts {
  const { config, clock, log, metrics } = options;
  const { receiptsFolder: folder } = config;
  const onWritten = (result: string, count: number) => metrics.receipts.inc({ result }, count);
  const file =
    folder === undefined
      ? undefined
      : createReceiptFile({ folder, clock, log, limits: config, onWritten });
  const book = createReceiptBook({ clock, limits: config, onEnded: file?.push });
  return Object.assign(book, { close: async () => await file?.close() });
}
