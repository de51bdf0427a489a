import { apiHeadersOf } from "../formats/index.ts";
import type { Attempt, AttemptMeans, AttemptRequest } from "../upstream/attempt.ts";
import type { UpstreamError } from "../upstream/error-body.ts";
import { openAttempt } from "../upstream/open.ts";
import type { HostedProvider, ReplicaAddress } from "../upstream/replica.ts";
import { bytesOf } from "../upstream/request-body.ts";
import { openGemini } from "./open-gemini.ts";
import { withModel } from "./with-model.ts";
import { attemptWithoutKey, errorWithoutKey, secretOf } from "./without-key.ts";

/**
 * Sends the request to an engine of ours or to a hosted provider, and waits for its first event.
 * Rejects only when the caller left, or for what cannot be put into the provider's words.
 */
export function openUpstream(
  means: AttemptMeans,
  address: ReplicaAddress,
  request: AttemptRequest,
): Promise<Attempt> {
  const { provider } = address;
  return provider === undefined
    ? openOwn(means, address, request)
    : openHosted(means, address, provider, request);
}

/** Engines of ours may be behind somebody's proxy that repeats what it was sent. */
function openOwn(
  means: AttemptMeans,
  address: ReplicaAddress,
  request: AttemptRequest,
): Promise<Attempt> {
  const opening = openAttempt(means, address, request);
  const secret = secretOf(address);
  return secret === undefined
    ? opening
    : opening.then((attempt) => errorWithoutKey(attempt, secret));
}

async function openHosted(
  means: AttemptMeans,
  address: ReplicaAddress,
  provider: HostedProvider,
  request: AttemptRequest,
): Promise<Attempt> {
  const body = withModel(bytesOf(request.body), provider.models);
  const hosted = { ...request, body, headers: headersFor(provider, request) };
  const attempt =
    provider.kind === "gemini"
      ? await openGemini(means, address, hosted)
      : await openAttempt(means, address, hosted);
  return attemptWithoutKey(withoutCredit(attempt), provider.key);
}

/**
 * Strangers see neither our request ids nor our traces: only what their API needs, the version and
 * features of it that the client chose, and the key.
 */
function headersFor(
  provider: HostedProvider,
  { headers, isStream }: AttemptRequest,
): Readonly<Record<string, string>> {
  return {
    "content-type": "application/json",
    accept: isStream ? "text/event-stream" : "application/json",
    "accept-encoding": headers["accept-encoding"] ?? "identity",
    ...provider.headers,
    ...apiHeadersOf({ get: (name) => headers[name] ?? null }),
  };
}

/**
 * An account without money is ours to fill and no fault of the client's request, though providers
 * say so with any of 400, 402 and 429: another deployment may have some.
 */
function withoutCredit(attempt: Attempt): Attempt {
  return attempt.kind === "fault" && (attempt.status === 402 || isAboutCredit(attempt.error))
    ? {
        kind: "failed",
        failure: { kind: "busy", message: "its account has no credit", retryAfterMs: undefined },
      }
    : attempt;
}

function isAboutCredit({ message, type, code }: UpstreamError): boolean {
  return (
    type === "billing_error" || code === "insufficient_quota" || /credit balance/i.test(message)
  );
}
