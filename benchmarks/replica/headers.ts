/** Headers of every answer: the recorded engine's, and the mark that this one is simulated. */
export function vllmHeaders(requestId: string): Record<string, string> {
  return {
    server: "warmpath-simulated",
    vary: "Origin",
    "x-request-id": requestId,
    "x-simulated": "true",
  };
}
