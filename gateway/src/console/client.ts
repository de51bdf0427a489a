import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { AgentService } from "@warmpath/proto/gateway";

/** The gateway that served this page, called as any web front end would. */
export type GatewayClient = Client<typeof AgentService>;

/** A client that sends the key with every call. */
export function createGatewayClient(key: string): GatewayClient {
  const transport = createConnectTransport({
    baseUrl: location.origin,
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${key}`);
        return next(request);
      },
    ],
  });
  return createClient(AgentService, transport);
}

/** True when the gateway does not accept the key. */
export function isKeyRefused(thrown: unknown): boolean {
  return ConnectError.from(thrown).code === Code.Unauthenticated;
}

/** One sentence for the person at the page. */
export function sentenceOf(thrown: unknown): string {
  const error = ConnectError.from(thrown);
  const isNetwork = thrown instanceof TypeError || error.cause instanceof TypeError;
  return isNetwork ? "The gateway cannot be reached." : error.rawMessage;
}
