/** Calls with a certificate of one's own: what a workload could do that went round its sidecar. */
import { readFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { messageOf } from "@warmpath/runtime/base";
import { denial, type Knock, type Knocked, type Order } from "./agent-protocol.ts";

const knockMsMax = 5000;
/** A message of no bytes, in gRPC's frame of five. */
const emptyMessage = Buffer.alloc(5);

/** Makes each call in turn; a connection that is cut counts as denied. */
export async function knockAll(order: Extract<Order, { op: "knock" }>): Promise<Knocked[]> {
  const { url, knocks } = order;
  const session = connect(url, {
    cert: readFileSync(order.certificate),
    key: readFileSync(order.key),
    // The server's name is no name of the DNS; who it is has been shown elsewhere.
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
  });
  let cut = "";
  session.on("error", (error: unknown) => {
    cut = messageOf(error);
  });
  session.on("close", () => {
    cut ||= "the connection was closed";
  });
  const answers: Knocked[] = [];
  try {
    for (const knock of knocks) {
      answers.push(cut === "" ? await knockOnce(session, knock) : { isDenied: true, text: cut });
    }
  } finally {
    session.destroy();
  }
  return answers;
}

function knockOnce(session: ClientHttp2Session, { path, verb, isRpc }: Knock): Promise<Knocked> {
  return new Promise((resolve) => {
    const stream = session.request(
      {
        ":method": verb,
        ":path": path,
        ...(isRpc && { "content-type": "application/grpc", te: "trailers" }),
      },
      { endStream: false },
    );
    let text = "";
    let status = "";
    const end = (isDenied: boolean, why: string) => {
      clearTimeout(timer);
      resolve({ isDenied, text: why });
      stream.destroy();
    };
    // Whoever is let in and hears nothing (a stream without events) was let in.
    const timer = setTimeout(() => end(false, "no answer yet"), knockMsMax);
    const look = (headers: Readonly<Record<string, unknown>>) => {
      status += ` ${String(headers[":status"] ?? "")} ${String(headers["grpc-status"] ?? "")}`;
      text += decodeURIComponent(String(headers["grpc-message"] ?? ""));
    };
    stream.on("response", look);
    stream.on("trailers", look);
    stream.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1").slice(0, 200);
    });
    stream.on("error", (error: unknown) => end(true, messageOf(error)));
    stream.on("end", () => end(text.includes(denial), `${status.trim()} ${text.slice(0, 100)}`));
    stream.on("close", () => end(status === "", `closed ${status}`));
    stream.end(isRpc ? emptyMessage : undefined);
  });
}
