/**
 * The bounds within which an agent's author may set its limits. Defaults suit an interactive
 * assistant; maxima keep one agent from occupying a worker for ever.
 */
export const agentLimitBounds = {
  /** Model calls of one run. 16 covers every sample and stops a model that never concludes. */
  maxSteps: { min: 1, max: 200, default: 16 },
  /** Tokens of one answer. 2,048 is a page of text or a large tool call. */
  maxOutputTokens: { min: 1, max: 131_072, default: 2_048 },
  /** Tool calls of one run, over all steps. */
  maxToolCalls: { min: 1, max: 1_000, default: 64 },
  /**
   * Times the same tool may be called with the same arguments before the run is taken for a loop.
   */
  maxRepeatedCalls: { min: 1, max: 100, default: 4 },
  /**
   * Milliseconds that one tool call may take. 30 s is longer than a patient person waits for a
   * look-up.
   */
  toolTimeoutMs: { min: 100, max: 900_000, default: 30_000 },
  /** Milliseconds that one model call may take, from sending to the last token. */
  modelTimeoutMs: { min: 1_000, max: 3_600_000, default: 300_000 },
} as const;

/** Bytes of one agent file: ten times the longest system prompt we have seen in use. */
export const agentFileBytesMax = 262_144;

/** Files of one agents directory, so that a mistaken path (a home directory) fails at once. */
export const agentFilesMax = 1_000;
