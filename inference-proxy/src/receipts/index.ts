/** Why each request went where it went, and what became of it. */
export { type ReceiptMetrics, receiptMetrics } from "./metrics.ts";
export { openReceipts, type Receipts } from "./open-receipts.ts";
export { type ReceiptBook, reasonOf, secondBest } from "./receipt-book.ts";
export type { Considered, Decision, Outcome, Receipt } from "./types.ts";
