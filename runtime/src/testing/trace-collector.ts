import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { Server, ServerCredentials } from "@grpc/grpc-js";

/** A span as the collector received it; ids are hexadecimal, `parentId` is "" at the root. */
export interface CollectedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly kind: "unspecified" | "internal" | "server" | "client" | "producer" | "consumer";
  /** Those whose value is a text or a whole number; others are left out. */
  readonly attributes: Readonly<Record<string, string | number>>;
}

/** A real OTLP/gRPC endpoint that keeps what it is sent. */
export interface TraceCollector {
  readonly url: string;
  readonly spans: readonly CollectedSpan[];
  close(): void;
}

const spansMax = 10_000;

/** Listens on a free port of 127.0.0.1. */
export async function startTraceCollector(): Promise<TraceCollector> {
  const spans: CollectedSpan[] = [];
  const path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
  const bytes = (value: Buffer) => value;
  const server = new Server();
  const definition = {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
  server.addService(
    { export: definition },
    {
      export(call: { request: Buffer }, callback: (error: null, answer: Buffer) => void) {
        if (spans.length < spansMax) {
          spans.push(...spansOf(call.request));
        }
        callback(null, Buffer.alloc(0));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) {
        resolve(bound);
      } else {
        reject(error);
      }
    });
  });
  return { url: `http://127.0.0.1:${port}`, spans, close: () => server.forceShutdown() };
}

/** ExportTraceServiceRequest → resource_spans (1) → scope_spans (2) → spans (2). */
function spansOf(request: Uint8Array): CollectedSpan[] {
  return inside(request, 1)
    .flatMap((resource) => inside(resource, 2))
    .flatMap((scope) => inside(scope, 2))
    .map((span) => ({
      traceId: hex(inside(span, 1)[0]),
      spanId: hex(inside(span, 2)[0]),
      parentId: hex(inside(span, 4)[0]),
      name: text(inside(span, 5)[0]),
      kind: kinds[numbersIn(span, 6)[0] ?? 0] ?? "unspecified",
      attributes: Object.fromEntries(inside(span, 9).flatMap(attributeOf)),
    }));
}

/** Span.SpanKind, by its number. */
const kinds = ["unspecified", "internal", "server", "client", "producer", "consumer"] as const;

/** KeyValue: key (1), value (2), which is a string_value (1) or an int_value (3). */
function attributeOf(pair: Uint8Array): [string, string | number][] {
  const value = inside(pair, 2)[0] ?? new Uint8Array();
  const [words] = inside(value, 1);
  const known = words === undefined ? numbersIn(value, 3)[0] : text(words);
  return known === undefined ? [] : [[text(inside(pair, 1)[0]), known]];
}

/** The varints of one field. */
function numbersIn(message: Uint8Array, wanted: number): number[] {
  const reader = new BinaryReader(message);
  const found: number[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === wanted && wireType === WireType.Varint) {
      found.push(Number(reader.int64()));
    } else {
      reader.skip(wireType, field);
    }
  }
  return found;
}

/** The length-delimited values of one field. */
function inside(message: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(message);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === wanted && wireType === WireType.LengthDelimited) {
      found.push(reader.bytes());
    } else {
      reader.skip(wireType, field);
    }
  }
  return found;
}

function hex(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString("hex");
}

function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}
