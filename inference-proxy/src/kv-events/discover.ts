import { type Clock, timeoutSignal } from "@warmpath/runtime/base";
import { readWhole } from "../upstream/read-whole.ts";
import { headersFor, type ReplicaAddress } from "../upstream/replica.ts";
import { hostOf, type KvSource, parseListedSources } from "./sources.ts";

/** A rank is about 250 bytes. */
const answerBytesMax = 256 * 1024;

/**
 * Asks a vLLM where it publishes its events; none where it does not know the question. Throws when
 * it does not answer.
 */
export async function discoverSources(
  address: ReplicaAddress,
  timeoutMs: number,
  clock: Clock,
): Promise<readonly KvSource[]> {
  const timeout = timeoutSignal(clock, timeoutMs);
  try {
    const response = await fetch(`${address.baseUrl}/kv_event_sources`, {
      headers: headersFor(address),
      redirect: "manual",
      signal: timeout.signal,
    });
    const bytes = await readWhole(response, answerBytesMax);
    if (response.status >= 500)
      throw new Error(`GET /kv_event_sources answered ${response.status}`);
    const listed = response.ok
      ? parseListedSources(parse(bytes), hostOf(URL.parse(address.baseUrl)?.host ?? address.name))
      : [];
    return address.rank === undefined ? listed : listed.filter(({ rank }) => rank === address.rank);
  } finally {
    timeout.cancel();
  }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    // Some other server's page: it lists nothing.
    return undefined;
  }
}
