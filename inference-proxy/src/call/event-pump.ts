import type { AnswerSink, AnswerStream } from "./answer-stream.ts";

/** Hands over what comes, to whoever is told of it. */
export interface EventFlow {
  flow(sink: AnswerSink): void;
  pause(): void;
  resume(): void;
}

/** An answer as one that is pushed, whether its events come by themselves or have to be pulled. */
export function flowOf(events: AnswerStream): EventFlow {
  return events.flow === undefined
    ? createEventPump(() => events.next())
    : {
        flow: (sink) => events.flow?.(sink),
        pause: () => events.pause?.(),
        resume: () => events.resume?.(),
      };
}

/** Pulls by `next` until it has no more, waiting while it is paused. */
export function createEventPump(next: () => Promise<Uint8Array | undefined>): EventFlow {
  let paused: PromiseWithResolvers<void> | undefined;
  const run = async (sink: AnswerSink): Promise<void> => {
    for (let block = await next(); block !== undefined; block = await next()) {
      sink.onEvents(block);
      sink.onRead();
      await paused?.promise;
    }
  };
  return {
    flow: (sink) => {
      run(sink).then(
        () => sink.onEnd(),
        (error: unknown) => sink.onEnd(error),
      );
    },
    pause: () => {
      paused ??= Promise.withResolvers();
    },
    resume: () => {
      paused?.resolve();
      paused = undefined;
    },
  };
}
