// The neutral shape in the middle of tidy: a rule takes every file of the checkout as text and
// returns faults. Rules read no disk, so each is tested on files that exist only in the test.

/** One text file of the checkout, its path relative to the root. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** One thing to mend: where, and in a sentence what and how. */
export interface Fault {
  readonly path: string;
  readonly line: number;
  readonly sentence: string;
}

/** Looks at all files at once, because some faults are between files. */
export type Rule = (files: readonly SourceFile[]) => readonly Fault[];

/** TypeScript that people write: generated code answers to its generator. */
export function isCode(path: string): boolean {
  return /\.tsx?$/.test(path) && !path.startsWith("proto/src/gen/");
}

/** Tests, shared suites and the doubles they use. */
export function isTest(path: string): boolean {
  return (
    /\.(test|contract|bench)\.tsx?$/.test(path) ||
    path.startsWith("e2e/") ||
    /\/testing\//.test(path)
  );
}

/** The 1-based line of an offset. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let index = text.indexOf("\n"); index !== -1 && index < offset; ) {
    line += 1;
    index = text.indexOf("\n", index + 1);
  }
  return line;
}

const commentsAndStrings =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`/g;

/**
 * The code with comments blanked, and string contents too unless they are kept; every offset stays
 * where it was. A regular expression that holds a quote can mislead it, which has not mattered.
 */
export function codeOnly(text: string, options: { keepStrings: boolean }): string {
  return text.replace(commentsAndStrings, (match) => {
    const isComment = match.startsWith("//") || match.startsWith("/*");
    if (!isComment && (options.keepStrings || match.startsWith("`"))) return match;
    return match.replace(/[^\n]/g, " ");
  });
}
