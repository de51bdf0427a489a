import { createHash } from "node:crypto";
import { consoleFolder, consoleScript } from "./console-script.ts";

/**
 * Serves the console: one page, one script, one style sheet, all from memory and from this origin.
 */
export interface ConsolePage {
  /** Undefined when the path is none of the page's. */
  respond(request: Request): Promise<Response | undefined>;
}

interface Asset {
  readonly type: string;
  readonly bytes: Uint8Array;
  readonly etag: string;
}

/**
 * Only this origin's script, style and calls; no inline code, no frames, no forms elsewhere. The
 * key lives in the page's storage, so nothing of another origin may ever run here.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const pageHeaders = {
  "content-security-policy": contentSecurityPolicy,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  // Always asked for again, and answered with 304 while it is the same.
  "cache-control": "no-cache",
} as const;

/** One sheet to the browser, in this order; later ones override earlier ones. */
const styleSheets = ["base.css", "layout.css", "run.css", "narrow.css"];

/** Reads and bundles on the first request, or earlier by `warm`, and keeps the result. */
export function createConsolePage(): ConsolePage & { warm(): Promise<void> } {
  let assets: Promise<ReadonlyMap<string, Asset>> | undefined;
  const load = () => {
    assets ??= buildAssets();
    assets.catch(() => {
      // Whoever asked gets the error; the next one tries again.
      assets = undefined;
    });
    return assets;
  };
  return {
    warm: async () => void (await load()),
    async respond(request) {
      const { pathname } = new URL(request.url);
      const isPage = pathname === "/" || pathname.startsWith("/console/");
      if (!isPage || (request.method !== "GET" && request.method !== "HEAD")) {
        return undefined;
      }
      const asset = (await load()).get(pathname);
      if (asset === undefined) {
        return undefined;
      }
      const headers = { ...pageHeaders, etag: asset.etag, "content-type": asset.type };
      if (request.headers.get("if-none-match") === asset.etag) {
        return new Response(null, { status: 304, headers });
      }
      // Bytes of our own making; the cast drops SharedArrayBuffer from the type.
      return new Response(asset.bytes as Uint8Array<ArrayBuffer>, { headers });
    },
  };
}

async function buildAssets(): Promise<ReadonlyMap<string, Asset>> {
  const read = async (name: string) => Bun.file(consoleFolder + name).bytes();
  const styles = await Promise.all(styleSheets.map((name) => read(`styles/${name}`)));
  return new Map([
    ["/", assetOf("text/html; charset=utf-8", await read("index.html"))],
    ["/console/style.css", assetOf("text/css; charset=utf-8", Buffer.concat(styles))],
    ["/console/main.js", assetOf("text/javascript; charset=utf-8", await consoleScript())],
    ["/console/icon.svg", assetOf("image/svg+xml", await read("icon.svg"))],
  ]);
}

function assetOf(type: string, bytes: Uint8Array): Asset {
  const digest = createHash("sha256").update(bytes).digest("base64url").slice(0, 22);
  return { type, bytes, etag: `"${digest}"` };
}
