/** One answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  /** In the order in which they came. */
  readonly headerNames: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  /** Without the framing of chunks. */
  readonly body: string;
  /** Every read of the socket, framing included. */
  readonly reads: readonly string[];
  /** False where the connection ended before the body did. */
  readonly isWhole: boolean;
}

/** What is sent. */
export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/**
 * Sends one request over a connection of its own and reads the answer to its end, or to the end of
 * the connection. Unlike `fetch` it hides nothing: header names, chunks and cuts are as they came.
 */
export async function exchange(url: string, request: RawRequest): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const body = Buffer.from(request.body ?? "");
  const headers = { host: `${hostname}:${port}`, ...request.headers };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const length = request.method === "GET" ? [] : [`content-length: ${body.length}`];
  const head = [`${request.method} ${request.path} HTTP/1.1`, ...lines, ...length, "", ""];
  const bytes = Buffer.concat([Buffer.from(head.join("\r\n"), "latin1"), body]);
  const received: Buffer[] = [];
  return new Promise((resolve, reject) => {
    let unsent: Buffer = bytes;
    const send = (socket: { write(bytes: Uint8Array): number }) => {
      unsent = unsent.subarray(Math.max(0, socket.write(unsent)));
    };
    const finish = (isClosed: boolean, close: () => void) => {
      const answer = parseAnswer(received, isClosed);
      if (answer === undefined) return;
      resolve(answer);
      close();
    };
    Bun.connect({
      hostname,
      port: Number(port),
      socket: {
        open: send,
        drain: send,
        data(socket, read) {
          received.push(Buffer.from(read));
          finish(false, () => socket.end());
        },
        close: () => finish(true, () => undefined),
        error: (_socket, error) => reject(error),
        connectError: (_socket, error) => reject(error),
      },
    }).catch(reject);
  });
}

/** The answer, or undefined while more is to come. */
function parseAnswer(received: readonly Buffer[], isClosed: boolean): RawAnswer | undefined {
  const whole = Buffer.concat(received);
  const reads = received.map((read) => read.toString());
  const headEnd = whole.indexOf("\r\n\r\n");
  if (headEnd === -1) {
    const nothing = { status: 0, headerNames: [], headers: {}, body: "", reads, isWhole: false };
    return isClosed ? nothing : undefined;
  }
  const [first = "", ...lines] = whole.toString("latin1", 0, headEnd).split("\r\n");
  const pairs = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  const headers = Object.fromEntries(pairs);
  const rest = whole.subarray(headEnd + 4);
  const { body, isWhole } =
    headers["transfer-encoding"] === "chunked"
      ? dechunked(rest)
      : { body: rest, isWhole: rest.length >= Number(headers["content-length"] ?? 0) };
  if (!isWhole && !isClosed) return undefined;
  const headerNames = pairs.map(([name]) => name);
  const status = Number(first.split(" ")[1]);
  return { status, headerNames, headers, body: body.toString(), reads, isWhole };
}

function dechunked(bytes: Buffer): { body: Buffer; isWhole: boolean } {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd === -1) return { body: Buffer.concat(parts), isWhole: false };
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    const start = lineEnd + 2;
    if (size === 0) return { body: Buffer.concat(parts), isWhole: bytes.length >= start + 2 };
    parts.push(bytes.subarray(start, start + size));
    at = start + size + 2;
  }
}
