import type { Counter, Metrics } from "@warmpath/runtime";

/** What receipts count. */
export interface ReceiptMetrics {
  /** Receipts that were to go to a file. */
  readonly receipts: Counter<"result">;
}

/** Defines the metrics of receipts. */
export function receiptMetrics(metrics: Metrics): ReceiptMetrics {
  return {
    receipts: metrics.counter({
      name: "warmpath_inference_proxy_receipts_total",
      help: "Receipts of placement decisions that went to files: written, or lost (disk too slow or failing).",
      labels: ["result"],
    }),
  };
}
