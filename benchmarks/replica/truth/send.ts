import { after, systemClock } from "@warmpath/runtime/base";
import { exchange, type RawAnswer, type RawRequest } from "../recorded/exchange.ts";

/** Sends one request and gives the whole answer. */
export type Send = (request: RawRequest) => Promise<RawAnswer>;

/** The first request with `logprobs` once held an engine up for 28 s. */
const answerMsMax = 120_000;

/** Requests to one server; throws when an answer takes longer than {@link answerMsMax}. */
export function sendTo(url: string): Send {
  return async (request) => {
    const late = Promise.withResolvers<undefined>();
    const timer = after(systemClock, answerMsMax, () => late.resolve(undefined));
    try {
      const answer = await Promise.race([exchange(url, request), late.promise]);
      if (answer !== undefined) return answer;
      throw new Error(`${request.method} ${request.path}: no answer in ${answerMsMax / 1000} s`);
    } finally {
      timer.cancel();
    }
  };
}
