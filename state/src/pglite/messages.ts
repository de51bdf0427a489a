/**
 * What the database child says first on standard output, as JSON. Progress goes to standard error
 * as plain lines.
 */
export type ChildMessage =
  | { readonly kind: "ready"; readonly socketDir: string }
  | { readonly kind: "in-use"; readonly holderPid: number };

/** Leads each line on standard error that is meant for people. */
export const progressPrefix = "progress: ";
