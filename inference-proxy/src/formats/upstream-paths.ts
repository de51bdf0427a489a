import type { Clock } from "@warmpath/runtime/base";
import type { Attempt, ServingPath } from "../upstream/open.ts";
import type { Replica } from "../upstream/pool.ts";
import type { HostedKind } from "../upstream/replica.ts";

/** Which of the APIs' paths each upstream has: found out by its first 404. */
export interface UpstreamPaths {
  /**
   * The paths by which a request of this one can be served at an upstream, the best first: its own,
   * then those into whose format it can be put. Empty when the upstream has none of them.
   */
  choicesOf(replica: Replica, asked: ServingPath): readonly ServingPath[];
  /** Remembers for a while that the upstream does not have the path. */
  noteMissing(replica: Replica, path: ServingPath): void;
}

type Choices = Readonly<Record<ServingPath, readonly ServingPath[]>>;

/** A path itself, and the paths that serve the same request in another format. */
const choices: Choices = {
  "/v1/chat/completions": ["/v1/chat/completions", "/v1/messages"],
  "/v1/completions": ["/v1/completions"],
  "/v1/embeddings": ["/v1/embeddings"],
  "/v1/messages": ["/v1/messages", "/v1/chat/completions"],
  "/v1/messages/count_tokens": ["/v1/messages/count_tokens"],
  "/v1/responses": ["/v1/responses", "/v1/chat/completions", "/v1/messages"],
};

/** What hosted providers have is known; nobody pays for finding out. */
const hostedChoices: Readonly<Record<HostedKind, Choices>> = {
  openai: {
    ...choices,
    "/v1/chat/completions": ["/v1/chat/completions"],
    // Responses carry thinking and its seals, chat completions take stop sequences.
    "/v1/messages": ["/v1/responses", "/v1/chat/completions"],
    "/v1/messages/count_tokens": [],
    "/v1/responses": ["/v1/responses", "/v1/chat/completions"],
  },
  anthropic: {
    "/v1/chat/completions": ["/v1/messages"],
    "/v1/completions": [],
    "/v1/embeddings": [],
    "/v1/messages": ["/v1/messages"],
    "/v1/messages/count_tokens": ["/v1/messages/count_tokens"],
    "/v1/responses": ["/v1/messages"],
  },
  // Asked in the client's own words, which are put into Gemini's on the way.
  gemini: {
    "/v1/chat/completions": ["/v1/chat/completions"],
    "/v1/completions": [],
    "/v1/embeddings": [],
    "/v1/messages": ["/v1/messages"],
    "/v1/messages/count_tokens": [],
    "/v1/responses": ["/v1/responses"],
  },
};

function choicesAt({ address }: Replica, asked: ServingPath): readonly ServingPath[] {
  const { provider } = address;
  return (provider === undefined ? choices : hostedChoices[provider.kind])[asked];
}

/** A server that was restarted with the path is believed again after a minute: one request more. */
const missingTtlMs = 60_000;

/** Starts by believing that every upstream has every path. */
export function createUpstreamPaths(clock: Clock): UpstreamPaths {
  /** When each was last missed, by replica and path: no more entries than there are of both. */
  const missedAtMs = new Map<string, number>();
  const isBelieved = (replica: Replica, path: ServingPath): boolean => {
    const atMs = missedAtMs.get(`${replica.address.name} ${path}`);
    return atMs === undefined || clock.monotonicMs() - atMs > missingTtlMs;
  };
  return {
    choicesOf: (replica, asked) =>
      missedAtMs.size === 0
        ? choicesAt(replica, asked)
        : choicesAt(replica, asked).filter((path) => isBelieved(replica, path)),
    noteMissing: (replica, path) => {
      missedAtMs.set(`${replica.address.name} ${path}`, clock.monotonicMs());
    },
  };
}

/**
 * True when an upstream says that it does not have the path, and not that it does not have the
 * model, or something else that the request names: servers name the model that they do not have, or
 * call it by OpenAI's code, and say by which parameter they were asked for what they do not have.
 */
export function isPathMissing(attempt: Attempt, model: string): boolean {
  if (attempt.kind !== "fault") {
    return false;
  }
  const { status, error } = attempt;
  return (
    status === 405 ||
    status === 501 ||
    (status === 404 &&
      error.code !== "model_not_found" &&
      error.param === undefined &&
      !error.message.includes(model))
  );
}
