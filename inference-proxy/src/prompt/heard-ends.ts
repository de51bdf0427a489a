/** Ends of prompts that other proxies have served: the session that a prompt goes on with there. */
export interface HeardEnds {
  /** Another proxy served a prompt of the session; it ended at this mark (`PromptIdentity`). */
  hear(endMark: number, sessionId: string): void;
  /** The session whose prompt ended last among these marks, and at which of them. */
  find(marks: ArrayLike<number>): HeardEnd | undefined;
}

/** Where a prompt of another proxy's session ended in this one. */
export interface HeardEnd {
  readonly sessionId: string;
  /** Index of the mark. */
  readonly index: number;
}

/** Remembers so many; the one heard first goes first. */
export function createHeardEnds(endsMax: number): HeardEnds {
  const sessions = new Map<number, string>();
  return {
    hear: (endMark, sessionId) => {
      // Deleting first moves the entry to the end of the map's order.
      sessions.delete(endMark);
      sessions.set(endMark, sessionId);
      if (sessions.size > endsMax) {
        const [oldest = 0] = sessions.keys();
        sessions.delete(oldest);
      }
    },
    find: (marks) => {
      if (sessions.size === 0) return undefined;
      for (let index = marks.length - 1; index >= 0; index -= 1) {
        const sessionId = sessions.get(marks[index]!);
        if (sessionId !== undefined) return { sessionId, index };
      }
      return undefined;
    },
  };
}
