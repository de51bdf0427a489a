import type { AnswerEvent, OpenPart } from "./types.ts";

/** Turns deltas of formats without part boundaries into parts that begin and end. */
export interface PartOpener {
  /** Kind of the open part; undefined between parts. */
  readonly kind: OpenPart["kind"] | undefined;
  /** Ends what is open and begins this. */
  open(part: OpenPart): readonly AnswerEvent[];
  /** More text of this kind, in the open part or in a new one. */
  extend(kind: "text" | "thinking" | "refusal", text: string | undefined): readonly AnswerEvent[];
  close(): readonly AnswerEvent[];
}

/** One for each stream. */
export function createPartOpener(): PartOpener {
  let kind: OpenPart["kind"] | undefined;

  const close = (): readonly AnswerEvent[] => {
    if (kind === undefined) {
      return [];
    }
    kind = undefined;
    return [{ kind: "close" }];
  };
  const open = (part: OpenPart): readonly AnswerEvent[] => {
    const events: AnswerEvent[] = [...close(), { kind: "open", part }];
    kind = part.kind;
    return events;
  };

  return {
    get kind() {
      return kind;
    },
    open,
    close,
    extend: (wanted, text) => {
      if (text === undefined || text === "") {
        return [];
      }
      const delta: AnswerEvent = { kind: "delta", text };
      return kind === wanted ? [delta] : [...open({ kind: wanted }), delta];
    },
  };
}
