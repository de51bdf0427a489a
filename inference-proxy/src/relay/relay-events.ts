import type { BodyFlow } from "@warmpath/runtime/http1";
import type { CallReport } from "../call/account.ts";
import type { AnswerStream } from "../call/answer-stream.ts";
import type { OpenCall } from "../call/end-call.ts";
import { flowOf } from "../call/event-pump.ts";
import type { ServingPath } from "../upstream/open.ts";
import { formatOf } from "../upstream/wire-format.ts";
import type { Flusher } from "./flusher.ts";
import { errorEvent } from "./rescue.ts";
import { cachedTokensHeader, costHeader, sessionCostHeader } from "./response-headers.ts";

/**
 * Hands the events on as they come, from the upstream's own socket event. A stream that was cut
 * ends with an error event and without `[DONE]`. A client that reads slowly slows the upstream.
 */
export function relayEvents(
  flusher: Flusher,
  call: OpenCall,
  events: AnswerStream,
  {
    path,
    requestId,
    isExplained,
    onEnd,
  }: {
    readonly path: ServingPath;
    readonly requestId: string;
    /** True for a client that asked to be told the bill. */
    readonly isExplained: boolean;
    readonly onEnd: (error?: unknown) => void;
  },
): BodyFlow {
  return (body) => {
    const coming = flowOf(events);
    let isFirst = true;
    coming.flow({
      onEvents: (block) => body.write(block),
      onRead: () => {
        if (isFirst) {
          isFirst = false;
          body.flush();
        } else {
          flusher.flush(body);
        }
        if (body.isFull) {
          coming.pause();
          body.onDrain = () => coming.resume();
        }
      },
      onEnd: (failure) => {
        // Each of these comes to its end, whatever happens to those before it.
        try {
          if (failure !== undefined && !events.facts.isFailed) {
            const { sequenceNumber } = events;
            body.write(errorEvent(formatOf(path), failure, { requestId, sequenceNumber }));
          }
          if (isExplained) {
            body.write(billComment(call.end(failure)));
          }
        } finally {
          try {
            // Before its answer's end, behind which the next request may be in hand already.
            call.end(failure);
          } finally {
            try {
              body.end();
            } finally {
              onEnd(failure);
            }
          }
        }
      },
    });
  };
}

/** The bill of a stream, as a comment that readers of events pass over. */
function billComment(report: CallReport): Uint8Array<ArrayBuffer> {
  const { usage, totals, isEstimated } = report;
  const lines = {
    [costHeader]: report.costNanodollars,
    [sessionCostHeader]: totals?.session,
    [cachedTokensHeader]: usage.cachedInputTokens,
    "x-warmpath-usage-estimated": isEstimated,
  };
  const told = Object.entries(lines).filter(([, value]) => value !== undefined);
  const text = told.map(([name, value]) => `: ${name}: ${value}\n`).join("");
  return new TextEncoder().encode(`${text}\n`);
}
