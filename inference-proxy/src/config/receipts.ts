import { option } from "@warmpath/runtime/base";

/** Settings of the receipts of placement decisions. */
export const receiptOptions = {
  receiptsKept: option.int({
    env: "WARMPATH_PROXY_RECEIPTS_KEPT",
    default: 2048,
    min: 1,
    max: 1_000_000,
    doc: "Ended requests whose placement can still be explained.",
    why: "about 2 KB each; some minutes of a busy proxy",
  }),
  receiptsFolder: option.text({
    env: "WARMPATH_PROXY_RECEIPTS_FOLDER",
    default: undefined,
    doc: "Folder for receipts as JSON lines; unset: they are kept in memory only.",
  }),
  receiptFileBytesMax: option.int({
    env: "WARMPATH_PROXY_RECEIPT_FILE_BYTES_MAX",
    default: 67_108_864,
    min: 1024,
    unit: "bytes",
    doc: "Size after which another file of receipts is begun; each day begins one too.",
    why: "64 MiB: some ten thousand requests, read in a second",
  }),
  receiptFilesBytesMax: option.int({
    env: "WARMPATH_PROXY_RECEIPT_FILES_BYTES_MAX",
    default: 1_073_741_824,
    min: 1024,
    unit: "bytes",
    doc: "All files of receipts together; the oldest go first.",
    why: "1 GiB: a day of a few requests a second",
  }),
} as const;
