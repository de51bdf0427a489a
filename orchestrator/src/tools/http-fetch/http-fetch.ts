import { lookup } from "node:dns/promises";
import { messageOf } from "@warmpath/runtime/base";
import { done, failed, type Tool } from "../tool.ts";
import { createAllowList } from "./allow-list.ts";
import { type FetchLimits, FetchRefused, fetchPage, type Resolve } from "./fetch-page.ts";

/** Where the tool may go, and how much it may read. */
export interface HttpFetchOptions {
  readonly allowedHosts: readonly string[];
  readonly limits: FetchLimits;
  readonly resolve?: Resolve;
}

const resolveAll: Resolve = async (hostname) =>
  (await lookup(hostname, { all: true })).map(({ address }) => address);

/**
 * Fetches text from hosts on the allow-list; cannot be led to a private address by names, redirects
 * or DNS.
 */
export function createHttpFetch(options: HttpFetchOptions): Tool {
  const allowList = createAllowList(options.allowedHosts);
  return {
    name: "http_fetch",
    description:
      "Fetches a web page or JSON document by its http(s) address, from the hosts the operator allows.",
    parametersJson: JSON.stringify({
      type: "object",
      properties: {
        url: { type: "string", description: "Absolute address.", minLength: 1, maxLength: 2048 },
      },
      required: ["url"],
      additionalProperties: false,
    }),
    idempotent: true,
    async call({ argumentsJson, signal }) {
      if (allowList.isEmpty) {
        return failed(
          "No page can be fetched: this installation allows no hosts (WARMPATH_HTTP_FETCH_ALLOWED_HOSTS is empty).",
        );
      }
      // The arguments were validated against the schema above.
      const { url } = JSON.parse(argumentsJson) as { url: string };
      try {
        const page = await fetchPage(url, {
          allowList,
          limits: options.limits,
          resolve: options.resolve ?? resolveAll,
          signal,
        });
        return done(JSON.stringify(page));
      } catch (error) {
        if (error instanceof FetchRefused) return failed(error.message);
        if (signal.aborted) throw error;
        return failed(`The address could not be fetched: ${messageOf(error)}`);
      }
    },
  };
}
