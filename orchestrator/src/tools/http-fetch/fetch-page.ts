import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import { refusalOfAddress } from "./address.ts";
import type { AllowList } from "./allow-list.ts";

/** Resolves a host name to all of its addresses. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

/** What bounds a fetch. */
export interface FetchLimits {
  /** Bytes of the body that are read; the rest is cut and said to be. */
  readonly bodyBytesMax: number;
  readonly redirectsMax: number;
}

/** A page as it was read. */
export interface Page {
  readonly url: string;
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly isCut: boolean;
}

/** Why a fetch was refused; the sentence is for the model. */
export class FetchRefused extends Error {}

interface FetchOptions {
  readonly allowList: AllowList;
  readonly limits: FetchLimits;
  readonly resolve: Resolve;
  /**
   * Only a test of the transport itself replaces it, to reach a server of its own on the loopback.
   */
  readonly refusalOfAddress?: (address: string) => string | undefined;
  readonly signal: AbortSignal;
}

/** Text that a model can read; anything else is refused before its body is read. */
const readableType = /^(text\/|application\/(json|xml|xhtml\+xml|[\w.+-]+\+(json|xml))\b)/i;

/** Fetches a page with GET; every redirect is judged as if it were the first address. */
export async function fetchPage(address: string, options: FetchOptions): Promise<Page> {
  let url = address;
  for (let redirects = 0; redirects <= options.limits.redirectsMax; redirects++) {
    const target = judgeUrl(url, options.allowList);
    const checked = await checkedAddress(target, options);
    const answer = await requestOnce(target, checked, options);
    if ("page" in answer) return answer.page;
    url = answer.location;
  }
  throw new FetchRefused(`It redirects more than ${options.limits.redirectsMax} times.`);
}

function judgeUrl(text: string, allowList: AllowList): URL {
  if (!URL.canParse(text)) throw new FetchRefused(`"${text}" is not an absolute URL.`);
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new FetchRefused("Only http and https addresses can be fetched.");
  }
  if (url.username !== "" || url.password !== "") {
    throw new FetchRefused("Addresses that carry a user name or password are not fetched.");
  }
  if (!allowList.allows(url.hostname)) {
    throw new FetchRefused(`The host "${url.hostname}" is not on the list of allowed hosts.`);
  }
  return url;
}

/**
 * Resolves once and judges every address, since the name could answer differently the next time.
 */
async function checkedAddress(url: URL, options: FetchOptions): Promise<string> {
  const refusal = options.refusalOfAddress ?? refusalOfAddress;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const addresses = isIP(host) === 0 ? await options.resolve(host) : [host];
  for (const address of addresses) {
    const fault = refusal(address);
    if (fault)
      throw new FetchRefused(`The host "${host}" leads to ${fault}, which is not fetched.`);
  }
  const first = addresses[0];
  if (first === undefined) throw new FetchRefused(`The host "${host}" has no address.`);
  return first;
}

type Answer = { page: Page } | { location: string };

function requestOnce(url: URL, address: string, options: FetchOptions): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const family = isIP(address);
  const request = (url.protocol === "https:" ? https : http).request(url, {
    method: "GET",
    // A fresh connection: a pooled one could have been opened to an address that was not judged.
    agent: false,
    headers: { accept: "text/*, application/json, application/xml", "user-agent": "warmpath" },
    signal: options.signal,
    // Whatever is asked, the answer is the judged address; TLS still verifies the host's name.
    lookup: (_host, lookupOptions, callback) => {
      if (lookupOptions.all === true) callback(null, [{ address, family }]);
      else callback(null, address, family);
    },
  });
  request.on("error", reject);
  request.on("response", (response) => {
    const location = response.headers.location;
    const status = response.statusCode ?? 0;
    if (status >= 300 && status < 400 && location !== undefined) {
      response.destroy();
      if (URL.canParse(location, url.href)) resolve({ location: new URL(location, url.href).href });
      else reject(new FetchRefused("It redirects to something that is not an address."));
      return;
    }
    readBody(url, response, options.limits.bodyBytesMax).then((page) => resolve({ page }), reject);
  });
  request.end();
  return promise;
}

async function readBody(url: URL, response: http.IncomingMessage, bytesMax: number): Promise<Page> {
  const contentType = response.headers["content-type"] ?? "text/plain";
  if (!readableType.test(contentType)) {
    response.destroy();
    throw new FetchRefused(`It is of type "${contentType.slice(0, 100)}", which is not text.`);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    const piece = Buffer.from(chunk).subarray(0, bytesMax - bytes);
    chunks.push(piece);
    bytes += chunk.length;
    if (bytes > bytesMax) break;
  }
  response.destroy();
  return {
    url: url.href,
    status: response.statusCode ?? 0,
    contentType,
    // Invalid UTF-8 and a character cut at the end become U+FFFD.
    body: new TextDecoder().decode(Buffer.concat(chunks)),
    isCut: bytes > bytesMax,
  };
}
