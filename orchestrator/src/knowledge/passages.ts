/** One passage of a Markdown file. */
export interface Passage {
  /** The headings above it, outermost first, joined by " › ". */
  readonly title: string;
  readonly text: string;
}

/**
 * Characters of a passage: about 500 tokens, so that five of them are a page and an embedding model
 * takes each whole.
 */
export const passageCharsMax = 2_000;
/** Passages of one file; what is beyond is left out. */
export const passagesPerFileMax = 2_000;
const titleBytesMax = 1_024;

/** Cuts a Markdown text at its headings, and long sections at their paragraphs. */
export function passagesFromMarkdown(markdown: string): Passage[] {
  const passages: Passage[] = [];
  const headings: string[] = [];
  let section: string[] = [];
  let isInFence = false;
  const flush = (): void => {
    const title = titleOf(headings);
    for (const text of pieces(section.join("\n").trim())) passages.push({ title, text });
    section = [];
  };
  for (const line of markdown.toWellFormed().split(/\r?\n/)) {
    if (/^\s*(```|~~~)/.test(line)) isInFence = !isInFence;
    const heading = isInFence ? null : /^(#{1,6})\s+(.+?)\s*#*\s*$/.exec(line);
    if (!heading) {
      section.push(line);
      continue;
    }
    flush();
    const [, marks = "#", text = ""] = heading;
    headings.length = Math.min(headings.length, marks.length - 1);
    headings.push(text);
  }
  flush();
  return passages.slice(0, passagesPerFileMax);
}

function titleOf(headings: readonly string[]): string {
  let title = headings.join(" › ");
  while (Buffer.byteLength(title) > titleBytesMax) title = title.slice(0, -100).toWellFormed();
  return title;
}

/** Paragraphs joined while they fit; one that does not fit by itself is cut. */
function pieces(text: string): string[] {
  const result: string[] = [];
  let current = "";
  for (const paragraph of text.split(/\n\s*\n/)) {
    for (let rest = paragraph.trim(); rest !== ""; ) {
      const part = rest.slice(0, passageCharsMax).toWellFormed();
      rest = rest.slice(passageCharsMax);
      if (current !== "" && current.length + part.length + 2 > passageCharsMax) {
        result.push(current);
        current = part;
      } else current = current === "" ? part : `${current}\n\n${part}`;
    }
  }
  if (current !== "") result.push(current);
  return result;
}
