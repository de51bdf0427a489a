// Breaks comment lines that are over 100 columns. The formatter leaves comments alone, and breaking
// them by hand costs more than it is worth.

const columnsMax = 100;
const comment = /^(\s*)(\/\/|\*)( +)(\S.*)$/;
const singleLineDoc = /^(\s*)\/\*\* (\S.*) \*\/$/;
// Lists, tables, pictures and links keep their lines.
const fixedLine = /^([-*•|│┌└├#@`>]|\d+\.|\/)|https?:|\s{2,}|biome-ignore|oxlint-/;

/** The text with its long comment lines broken; the overflow flows into the lines that follow. */
export function wrapComments(text: string): string {
  const lines = text.split("\n");
  const wrapped: string[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? "";
    if (line.length <= columnsMax) {
      wrapped.push(line);
      continue;
    }
    const doc = singleLineDoc.exec(line);
    const match = comment.exec(line);
    if (doc !== null) {
      const [, indent = "", words = ""] = doc;
      wrapped.push(`${indent}/**`, ...fill(words, `${indent} * `), `${indent} */`);
    } else if (match !== null && !fixedLine.test(match[4] ?? "")) {
      const [, indent = "", sign = "", gap = "", words = ""] = match;
      const paragraph = [words];
      // The rest of the paragraph takes the overflow, so that no line is left with one word.
      for (; index + 1 < lines.length; index += 1) {
        const next = comment.exec(lines[index + 1] ?? "");
        const isSame = next?.[1] === indent && next[2] === sign && next[3] === gap;
        if (next === null || !isSame || fixedLine.test(next[4] ?? "")) break;
        paragraph.push(next[4] ?? "");
      }
      wrapped.push(...fill(paragraph.join(" "), `${indent}${sign}${gap}`));
    } else wrapped.push(line);
  }
  return wrapped.join("\n");
}

function fill(text: string, prefix: string): string[] {
  const lines: string[] = [];
  let line = prefix;
  for (const word of text.split(/\s+/)) {
    const isFirst = line === prefix;
    if (!isFirst && line.length + 1 + word.length > columnsMax) {
      lines.push(line);
      line = prefix + word;
    } else line += isFirst ? word : ` ${word}`;
  }
  lines.push(line);
  return lines;
}
