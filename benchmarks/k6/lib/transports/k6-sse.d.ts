/** The module that `build/main.go` adds to k6. */
declare module "k6/x/sse" {
  /** Posts and reads server-sent events as they come; times are ms since the request was sent. */
  export function post(
    url: string,
    body: string,
    headers: Record<string, string>,
    timeoutMs: number,
    leaveAfterEvents: number,
  ): {
    readonly status: number;
    readonly events: readonly { readonly ms: number; readonly data: string }[];
    readonly doneMs: number;
    readonly body: string;
    readonly error: string;
  };
}
