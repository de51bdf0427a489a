import { decodeBinaryHeader } from "@connectrpc/connect";
import { Metadata, type MetadataValue } from "@grpc/grpc-js";

/** Keys that the protocol itself sets; grpc-js refuses or duplicates them when given. */
const protocolKeys = new Set([
  "content-type",
  "te",
  "user-agent",
  "grpc-status",
  "grpc-message",
  "grpc-timeout",
  "grpc-encoding",
  "grpc-accept-encoding",
  "content-length",
  "connection",
  "host",
]);

const binarySuffix = "-bin";

/** grpc-js metadata as headers; binary values become base64, as they are on the wire. */
export function headersFromMetadata(metadata: Metadata): Headers {
  const headers = new Headers();
  const entries = metadata.toHttp2Headers();
  for (const [key, values] of Object.entries(entries)) {
    const list = Array.isArray(values) ? values : values === undefined ? [] : [values];
    for (const value of list) {
      headers.append(key, String(value));
    }
  }
  return headers;
}

/** Headers as grpc-js metadata; what the protocol sets itself is left out. */
export function metadataFromHeaders(headers: Headers): Metadata {
  const metadata = new Metadata();
  headers.forEach((text, key) => {
    if (protocolKeys.has(key) || key.startsWith(":")) {
      return;
    }
    if (!key.endsWith(binarySuffix)) {
      metadata.add(key, text);
      return;
    }
    // Several binary values arrive joined by commas, which base64 does not contain.
    for (const part of text.split(",")) {
      metadata.add(key, binaryValue(part.trim()));
    }
  });
  return metadata;
}

function binaryValue(base64: string): MetadataValue {
  return Buffer.from(decodeBinaryHeader(base64));
}
