/** How the mock upstream answers chat requests until it is told otherwise. */
export interface MockPlan {
  readonly kind: "whole" | "stream";
  /** Time from a request to its answer, or to the head and first token of its stream. */
  readonly firstMs: number;
  /** Tokens of a stream. */
  readonly tokens: number;
  /** Time between two tokens of a stream. */
  readonly intervalMs: number;
}

/** What happened since the plan was set. */
export interface MockCounts {
  /** Chat requests read to their end. */
  readonly requests: number;
  readonly finished: number;
  /** Answers and streams whose connection closed before their end. */
  readonly cut: number;
  /** Tokens made, whether or not anybody read them. */
  readonly tokens: number;
}

/** Where the mock takes a plan (POST) and tells its counts (GET); no proxy forwards to it. */
export const planPath = "/mock/plan";
export const countsPath = "/mock/counts";

/** Answers at once. */
export const wholeAtOnce: MockPlan = { kind: "whole", firstMs: 0, tokens: 0, intervalMs: 0 };

/** Tells the mock how to answer from now on; its counts begin anew. */
export async function setPlan(mockUrl: string, plan: MockPlan): Promise<void> {
  const response = await fetch(mockUrl + planPath, { method: "POST", body: JSON.stringify(plan) });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`the mock upstream refused a plan: ${response.status}`);
}

/** What happened since then. */
export async function readCounts(mockUrl: string): Promise<MockCounts> {
  const response = await fetch(mockUrl + countsPath);
  // The mock's own answer.
  return (await response.json()) as MockCounts;
}
