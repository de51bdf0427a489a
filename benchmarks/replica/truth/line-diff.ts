/** Lines of one text that the other lacks, by the longest common run of both. */

/** `-` before what only `before` has, `+` before what only `after` has, in order. */
export function lineDiff(before: readonly string[], after: readonly string[]): string[] {
  const width = after.length + 1;
  // Length of the longest common subsequence of what follows (row, column).
  const common = new Uint32Array((before.length + 1) * width);
  for (let row = before.length - 1; row >= 0; row--) {
    for (let column = after.length - 1; column >= 0; column--) {
      const at = row * width + column;
      common[at] =
        before[row] === after[column]
          ? common[at + width + 1]! + 1
          : Math.max(common[at + width]!, common[at + 1]!);
    }
  }
  const lines: string[] = [];
  let [row, column] = [0, 0];
  while (row < before.length || column < after.length) {
    const at = row * width + column;
    if (row < before.length && before[row] === after[column]) {
      row += 1;
      column += 1;
    } else if (
      column === after.length ||
      (row < before.length && common[at + width]! >= common[at + 1]!)
    ) {
      lines.push(`- ${before[row++]}`);
    } else {
      lines.push(`+ ${after[column++]}`);
    }
  }
  return lines;
}
