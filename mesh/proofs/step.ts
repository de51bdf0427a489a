/** One level of the proofs: what it shows, whether this machine can, and the run of it. */
export interface ProofStep {
  /** As `npm run mesh:prove -- <name>` takes it. */
  readonly name: string;
  /** One line: what is true of the deployment when it passes. */
  readonly proves: string;
  /** What this machine lacks for it, as a sentence that says how to get it; undefined: nothing. */
  missing(): string | undefined;
  /** Runs it; `say` prints a line of progress. A fault of the step itself is thrown. */
  run(say: (line: string) => void): Promise<ProofResult>;
}

/** What a level came to. */
export interface ProofResult {
  readonly passed: number;
  /** Each with what was expected and what was found; empty: all is well. */
  readonly failures: readonly string[];
}
