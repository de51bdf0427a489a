import {
  createPrompts,
  type Endpoint,
  Placer,
  type PromptSummary,
  type Prompts,
  promptSummaryOf,
} from "@warmpath/inference-proxy/policy";
import { seededRandom } from "@warmpath/runtime/base";
import { AgentSession, type BodyShape } from "./bodies.ts";
import { promptsOptions } from "./measure-prompt.ts";

/** What is timed of whole decisions, and how often. */
export interface WholePlan {
  readonly bodyBytes: number;
  /** Fleets of so many replicas, each asked for every session. */
  readonly replicas: readonly number[];
  readonly sessions: number;
}

/** Times of one shape before one fleet, in ms. */
export interface WholeTimes {
  readonly shape: string;
  readonly bodyBytes: number;
  readonly replicas: number;
  readonly coldMs: readonly number[];
  readonly knownMs: readonly number[];
  /** The part of it that is placement: index walk, comparison, booking. */
  readonly placeMs: readonly number[];
}

/** Sessions that are decided on before anything is timed, so that the code is compiled. */
const warmUpSessions = 24;
/** Turns after a session's first; the shortest counts, as what is longer is others' time. */
const knownTurns = 3;
/** A replica's prefill, so that what is learned of it is sane; and how long an answer takes. */
const msPerToken = 0.02;
const answerMs = 10;
const model = "tiny";
const nobody: ReadonlySet<string> = new Set();

/**
 * Times whole decisions: what the prompt is, what of it is cached where, and which replica takes
 * it, booked. The fleets are asked in turned order, session by session, so that what the machine
 * does meanwhile meets all of them.
 */
export function measureWhole(shape: BodyShape, plan: WholePlan): readonly WholeTimes[] {
  const fleets = plan.replicas.map((replicas) => new BusyFleet(replicas));
  const times = fleets.map(({ names }) => ({
    shape: shape.name,
    bodyBytes: plan.bodyBytes,
    replicas: names.length,
    coldMs: [] as number[],
    knownMs: [] as number[],
    placeMs: [] as number[],
  }));
  for (let index = 0; index < warmUpSessions + plan.sessions; index += 1) {
    const session = new AgentSession(shape, index + 1).growTo(plan.bodyBytes);
    const bodies = [session.body()];
    while (bodies.length <= knownTurns) {
      session.addTurn();
      bodies.push(session.body());
    }
    for (let turn = 0; turn < fleets.length; turn += 1) {
      const at = (index + turn) % fleets.length;
      const [cold, ...known] = bodies.map((body) => fleets[at]!.decide(body));
      if (index >= warmUpSessions) {
        times[at]!.coldMs.push(cold!.ms);
        times[at]!.knownMs.push(Math.min(...known.map(({ ms }) => ms)));
        times[at]!.placeMs.push(Math.min(...known.map(({ placeMs }) => placeMs)));
      }
    }
  }
  return times;
}

/** Replicas that all run something already, so that no two cost the same. */
class BusyFleet {
  readonly names: readonly string[];
  readonly #endpoints: readonly Endpoint[];
  readonly #placer: Placer;
  readonly #prompts: Prompts = createPrompts(promptsOptions);
  #nowMs = 0;

  constructor(replicas: number) {
    this.names = Array.from({ length: replicas }, (_, replica) => `r${replica}`);
    this.#endpoints = this.names.map((name) => ({
      name,
      healthy: true,
      unhealthyReason: "",
      models: new Set([model]),
      inFlightMax: 1024,
      engineRunning: undefined,
      engineWaiting: undefined,
      // As much as the fleet has in all: neither is anybody refused, nor does the smaller one work
      // on a smaller memory.
      kvTokens: 1e8,
    }));
    this.#placer = new Placer({ names: this.names, random: seededRandom(replicas) });
    for (let session = 0; session < 3 * replicas; session += 1)
      this.#place(smallPrompt(session)).firstEvent(0);
  }

  /** One request, to its end; the session's next one must find its home again. */
  decide(body: Uint8Array<ArrayBuffer>): { readonly ms: number; readonly placeMs: number } {
    const from = Bun.nanoseconds();
    const identity = this.#prompts.identify(this.#prompts.scan(body, "acme", "messages"), {
      model,
      salt: "acme",
      lora: "",
      headers: undefined,
      sessionId: "",
    });
    const prompt = promptSummaryOf(identity);
    const placeFrom = Bun.nanoseconds();
    const booking = this.#place(prompt);
    const to = Bun.nanoseconds();
    if (identity.home !== "" && identity.home !== booking.endpoint) {
      throw new Error("a session did not go home");
    }
    this.#prompts.served(identity, booking.endpoint);
    const { promptTokens } = prompt;
    const cachedTokens = booking.cachedTokensExpected;
    const firstEventMs = this.#nowMs + (promptTokens - cachedTokens) * msPerToken;
    booking.firstEvent(firstEventMs);
    this.#nowMs = firstEventMs + answerMs;
    booking.release({ usage: { promptTokens, cachedTokens }, rest: "edit" }, this.#nowMs);
    return { ms: (to - from) / 1e6, placeMs: (to - placeFrom) / 1e6 };
  }

  #place(prompt: PromptSummary) {
    const request = { model, excluded: nobody, prompt };
    const placed = this.#placer.place(this.#endpoints, request, this.#nowMs);
    if (!("booking" in placed)) throw new Error(`refused: ${placed.reason}`);
    return placed.booking;
  }
}

/** Of a request without a session that runs all the while. */
function smallPrompt(index: number): PromptSummary {
  const chunks = 1 + (index % 7);
  return {
    keys: Float64Array.from({ length: chunks }, (_, chunk) => 2 ** 40 + index * 16 + chunk),
    chunks,
    chunkTokens: 256,
    promptTokens: chunks * 256 + (index % 100),
    isExact: false,
    sessionId: "",
    parentId: undefined,
  };
}
