import type { Segment, SessionPlan, TurnPlan, Workload } from "../types.ts";
import { continuedSessions } from "./continuations.ts";
import {
  mooncakeBlockTokens,
  readTrace,
  type TraceOptions,
  type TraceRequest,
} from "./read-trace.ts";

/** How requests become sessions. */
export interface TraceWorkloadOptions {
  /**
   * `single` (default): every request on its own, at its time. `continued`: requests that begin
   * with the prompt of an earlier one are turns of one session.
   */
  readonly sessions?: "single" | "continued";
  /** Tokens of a block; default 512, as in Mooncake's traces. */
  readonly blockTokens?: number;
}

/**
 * What an answer's token is assumed to take where the pause after it is worked out: traces tell
 * when requests come, not when answers end.
 */
const answerTokenMs = 20;

/**
 * A trace as a workload, from time 0 on. It has no chance in it: the seed changes nothing. Prompts
 * are runs of one block each, so what the trace shares is shared; answers are nobody else's.
 */
export function traceWorkload(
  name: string,
  requests: readonly TraceRequest[],
  options: TraceWorkloadOptions = {},
): Workload {
  const { sessions = "single", blockTokens = mooncakeBlockTokens } = options;
  const how = sessions === "single" ? "each on its own" : "as sessions guessed from prefixes";
  return {
    name,
    about: `${requests.length} requests of the trace ${name}, ${how}`,
    *sessions() {
      const ordered = requests.toSorted((left, right) => left.timestampMs - right.timestampMs);
      const startMs = ordered[0]?.timestampMs ?? 0;
      const writer = new SessionWriter(startMs, blockTokens);
      if (sessions === "single") {
        for (const request of ordered) yield writer.write([request]);
      } else {
        for (const group of continuedSessions(ordered, blockTokens)) yield writer.write(group);
      }
    },
  };
}

/** Every request of a trace file as a session, in the order of the file and in constant memory. */
export async function* readTraceSessions(
  path: string,
  options: TraceOptions = {},
): AsyncGenerator<SessionPlan> {
  let writer: SessionWriter | undefined;
  for await (const request of readTrace(path, options)) {
    writer ??= new SessionWriter(request.timestampMs, options.blockTokens ?? mooncakeBlockTokens);
    yield writer.write([request]);
  }
}

class SessionWriter {
  readonly #originMs: number;
  readonly #blockTokens: number;
  #sessions = 0;
  #unshared = 0;

  constructor(originMs: number, blockTokens: number) {
    this.#originMs = originMs;
    this.#blockTokens = blockTokens;
  }

  write(requests: readonly TraceRequest[]): SessionPlan {
    const id = `r${this.#sessions}`;
    this.#sessions += 1;
    const startMs = Math.max(0, (requests[0]?.timestampMs ?? 0) - this.#originMs);
    const turns = requests.map((request, index) => this.#turn(request, requests[index - 1]));
    return { id, tenant: "trace", sloClass: "interactive", startMs, turns };
  }

  #turn(request: TraceRequest, before: TraceRequest | undefined): TurnPlan {
    const prompt = this.#promptOf(request);
    // The engine always makes a token.
    const outputTokens = Math.max(1, request.outputTokens);
    return {
      segments: [...prompt, this.#fresh(outputTokens)],
      promptSegments: prompt.length,
      promptTokens: request.inputTokens,
      outputTokens,
      gapBeforeMs: before === undefined ? 0 : pauseBetween(before, request),
      gapKind: before === undefined ? "start" : "human",
    };
  }

  #promptOf({ blockIds, inputTokens }: TraceRequest): readonly Segment[] {
    const prompt = blockIds.map((id, index): Segment => {
      const tokens = Math.min(this.#blockTokens, inputTokens - index * this.#blockTokens);
      return { content: 2 * id, tokens };
    });
    const named = blockIds.length * this.#blockTokens;
    return named < inputTokens ? [...prompt, this.#fresh(inputTokens - named)] : prompt;
  }

  /** Odd numbers are nobody else's, even ones are the trace's blocks. */
  #fresh(tokens: number): Segment {
    this.#unshared += 1;
    return { content: 2 * this.#unshared + 1, tokens };
  }
}

function pauseBetween(before: TraceRequest, after: TraceRequest): number {
  const answerMs = answerTokenMs * Math.max(1, before.outputTokens);
  return Math.max(0, Math.round(after.timestampMs - before.timestampMs - answerMs));
}
