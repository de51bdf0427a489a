import { ToolService } from "@warmpath/proto/tool";
import {
  createServiceClient,
  createServiceTransport,
  type ServiceTransport,
  type Tracing,
} from "@warmpath/runtime";
import { assert, type Clock, type Random } from "@warmpath/runtime/base";
import type { SpecTool } from "../agents/agent-spec.ts";
import { createRemoteTool, type ToolServiceClient } from "./remote-tool.ts";
import type { Tool } from "./tool.ts";

/** Tool services of one worker: each keeps a connection. */
const toolServicesMax = 256;

/** Every tool that this worker can execute. */
export interface Toolbox {
  readonly builtins: ReadonlyMap<string, Tool>;
  /**
   * The tool behind an entry of a spec; undefined for a delegate, or a built-in this version no
   * longer has.
   */
  toolFor(spec: SpecTool): Tool | undefined;
  /** A client of a tool service; one connection per address. */
  service(url: string): ToolServiceClient;
  close(): void;
}

/** How a toolbox reaches tool services. */
export interface ToolboxOptions {
  readonly builtins: readonly Tool[];
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly random: Random;
  readonly toolTriesMax: number;
  readonly callTimeoutMs: number;
}

/** A toolbox of the given built-in tools; services are connected to when first needed. */
export function createToolbox(options: ToolboxOptions): Toolbox {
  const builtins = new Map(options.builtins.map((tool) => [tool.name, tool]));
  const services = new Map<string, { client: ToolServiceClient; transport: ServiceTransport }>();
  const service = (url: string): ToolServiceClient => {
    const known = services.get(url);
    if (known) return known.client;
    assert(services.size < toolServicesMax, `a worker uses at most ${toolServicesMax} services`);
    const transport = createServiceTransport({ url });
    // No signer: our signature is for our own services; a user's gets the principal in the request.
    const client = createServiceClient(ToolService, transport, {
      signer: undefined,
      tracing: options.tracing,
      timeoutMs: options.callTimeoutMs,
    });
    services.set(url, { client, transport });
    return client;
  };
  return {
    builtins,
    service,
    toolFor(spec) {
      const { source } = spec;
      if (source.kind === "builtin") return builtins.get(spec.name);
      if (source.kind === "delegate") return undefined;
      const { clock, random, toolTriesMax: triesMax } = options;
      return createRemoteTool(spec, source, {
        client: service(source.url),
        clock,
        random,
        triesMax,
      });
    },
    close() {
      for (const { transport } of services.values()) transport.close();
      services.clear();
    },
  };
}
