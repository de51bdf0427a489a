import { readFileSync } from "node:fs";

/** One recorded exchange with a real engine. */
export interface Recording {
  readonly method: string;
  readonly path: string;
  /** The request's body; empty for a GET. */
  readonly requestBody: string;
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Reads `testdata/<name>.http`. */
export function readRecording(name: string): Recording {
  const bytes = readTestdata(`${name}.http`);
  const headEnd = bytes.indexOf("\n\n");
  const lines = bytes.toString("utf8", 0, headEnd).split("\n");
  const sent = lines.filter((line) => line.startsWith(">")).map((line) => line.slice(2));
  const received = lines.filter((line) => line.startsWith("<")).map((line) => line.slice(2));
  const [method = "", path = ""] = (sent[0] ?? "").split(" ");
  const contentType = received.find((line) => line.startsWith("content-type: ")) ?? "";
  return {
    method,
    path,
    requestBody: sent.indexOf("") < 0 ? "" : sent.slice(sent.indexOf("") + 1).join("\n"),
    status: Number((received[0] ?? "").split(" ")[1]),
    contentType: contentType.slice("content-type: ".length),
    body: new Uint8Array(bytes.subarray(headEnd + 2)),
  };
}

/** Reads a file of `testdata/`. */
export function readTestdata(name: string): Buffer {
  return readFileSync(new URL(`../testdata/${name}`, import.meta.url));
}
