import type { MediaSource } from "./types.ts";

/* Images and documents, which formats carry as URL, as `data:` URL, or as type and base64 apart. */

const dataUrl = /^data:([^;,]+);base64,/;

/** Takes a `data:` URL apart; any other is left to the provider to fetch. */
export function sourceOfUrl(url: string): MediaSource {
  const match = dataUrl.exec(url);
  return match === null
    ? { kind: "url", url }
    : { kind: "base64", mediaType: match[1] ?? "", data: url.slice(match[0].length) };
}

/** One URL for a source that is not an id. */
export function urlOfSource(source: Exclude<MediaSource, { readonly kind: "id" }>): string {
  return source.kind === "url" ? source.url : `data:${source.mediaType};base64,${source.data}`;
}
