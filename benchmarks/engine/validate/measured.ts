import measured from "./measured.json" with { type: "json" };

/** One run of a real engine under a fixed load; times in ms, absent where not published. */
export interface MeasuredPoint {
  readonly name: string;
  /** Name of the profile that stands for it. */
  readonly model: string;
  /** Whether the profile's constants were chosen on this point. */
  readonly isFitted: boolean;
  readonly stepTokensMax: number;
  readonly ratePerSecond: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** First tokens of the prompt, common to all users of one of `sharedPrefixes` system prompts. */
  readonly sharedTokens: number;
  readonly sharedPrefixes: number;
  /** What the source does not say about the load. */
  readonly assumed?: string;
  readonly ttftMeanMs: number;
  readonly ttftP90Ms?: number;
  readonly ttftP99Ms?: number;
  readonly itlMeanMs: number;
  readonly e2eMeanMs: number;
}

/** Every measured point, with the fitted ones first. */
export const measuredPoints: readonly MeasuredPoint[] = measured.points;

/** Where the points come from. */
export const measuredSource = measured.source;
