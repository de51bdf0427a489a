/**
 * The entries of a list one by one: a file has them on lines of their own instead of behind commas,
 * and lines of notes that begin with `#`.
 */
export function linesOf(entries: readonly string[]): readonly string[] {
  return entries
    .flatMap((entry) => entry.split("\n"))
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}
