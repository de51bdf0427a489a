/** Headers of every answer: the recorded engine's, and the mark that this one is simulated. */
export function vllmHeaders(requestId: string | undefined): Record<string, string> {
  return {
    server: "warmpath-simulated",
    vary: "Origin",
    ...(requestId === undefined ? {} : { "x-request-id": requestId }),
    "x-simulated": "true",
  };
}
