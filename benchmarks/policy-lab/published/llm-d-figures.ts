/** What llm-d published of its comparison of 2025-09, to be put beside ours. */

export const llmDSource =
  "llm-d blog, 2025-09-24 (KV-Cache Wins You Can See), and the report it cites, " +
  "llm-d-kv-cache benchmarking/73-capacity: 8 pods of Qwen3-32B on 2 H100 each";

/** The four schedulers, best first. */
export const schedulers = ["precise", "approximate", "load", "random"] as const;
export type Scheduler = (typeof schedulers)[number];
export type ByScheduler<Value> = Readonly<Record<Scheduler, Value>>;

/** Output tokens per second, TTFT p90 in s, TTFT mean in s. */
export type LlmDFigures = readonly [tokensPerSecond: number, p90: number, mean: number];

/** Over all stages. */
export const publishedSummary: ByScheduler<LlmDFigures> = {
  precise: [8730, 0.542, 0.298],
  approximate: [6944.4, 31.083, 13.316],
  load: [4266.4, 94.865, 46.987],
  random: [4428.7, 92.551, 45.281],
};

/** A rung of the published ladder; arrivals are a Poisson process. */
export interface Stage {
  readonly requestsPerSecond: number;
  readonly seconds: number;
  readonly published: ByScheduler<LlmDFigures>;
}

function stage(
  requestsPerSecond: number,
  seconds: number,
  ...[precise, approximate, load, random]: [LlmDFigures, LlmDFigures, LlmDFigures, LlmDFigures]
): Stage {
  return { requestsPerSecond, seconds, published: { precise, approximate, load, random } };
}

/** The ladder: req/s, seconds, then precise, approximate, load, random as published. */
export const ladder: readonly Stage[] = [
  stage(
    3,
    20,
    [1219.1, 0.498, 0.291],
    [1310.9, 0.497, 0.3],
    [1274.8, 1.609, 0.944],
    [1314, 0.82, 0.622],
  ),
  stage(
    10,
    20,
    [3902.1, 0.6, 0.335],
    [3842.4, 0.499, 0.271],
    [3607, 4.124, 2.241],
    [3568.5, 1.398, 0.826],
  ),
  stage(
    15,
    20,
    [5761.1, 0.4, 0.249],
    [5152.9, 0.4, 0.232],
    [3348.4, 7.002, 4.013],
    [3791.1, 2.299, 1.278],
  ),
  stage(
    20,
    38,
    [9184.5, 0.6, 0.363],
    [8082.6, 0.6, 0.329],
    [4902.5, 77.707, 29.229],
    [4933.1, 70.273, 25.073],
  ),
  stage(
    22,
    34,
    [9382, 0.5, 0.3],
    [8415.7, 0.7, 0.407],
    [4785.5, 72.972, 28.71],
    [4765.4, 78.42, 28.185],
  ),
  stage(
    25,
    30,
    [9242.2, 0.583, 0.303],
    [8445.1, 0.609, 0.37],
    [4872.8, 85.979, 32.534],
    [4781.3, 82.943, 30.689],
  ),
  stage(
    30,
    25,
    [9221.8, 0.509, 0.296],
    [8435.9, 0.708, 0.373],
    [4888.7, 83.806, 32.831],
    [4636.3, 86.182, 32.212],
  ),
  stage(
    35,
    21,
    [9780.6, 0.5, 0.275],
    [7443.5, 2.459, 2.78],
    [4660.7, 88.086, 33.874],
    [4332.6, 91.519, 34.043],
  ),
  stage(
    40,
    38,
    [10_270.8, 0.488, 0.269],
    [8045.9, 43.018, 13.16],
    [4946.4, 100.911, 53.545],
    [4773.8, 101.272, 54.196],
  ),
  stage(
    43,
    36,
    [10_054.8, 0.5, 0.281],
    [7969.6, 43.515, 16.941],
    [4973.3, 101.524, 53.802],
    [4844.6, 101.142, 53.247],
  ),
  stage(
    46,
    33,
    [10_128.7, 0.589, 0.293],
    [7695.2, 44.93, 18.081],
    [4723.6, 105.884, 56.746],
    [4969.5, 101.265, 53.572],
  ),
  stage(
    49,
    30,
    [10_296.5, 0.6, 0.311],
    [7455.9, 46.335, 19.111],
    [4004.8, 105.015, 55.208],
    [4783.2, 103.514, 56.13],
  ),
  stage(
    52,
    29,
    [10_284.6, 0.507, 0.288],
    [7452.3, 47.284, 21.94],
    [3991, 108.572, 58.807],
    [4845.1, 105.004, 56.035],
  ),
  stage(
    55,
    27,
    [10_140.9, 0.6, 0.308],
    [7100.7, 50.108, 22.327],
    [4671.9, 110.681, 58.467],
    [4921.7, 104.321, 54.844],
  ),
  stage(
    57,
    26,
    [10_313.9, 0.6, 0.319],
    [7013.8, 49.93, 23.423],
    [3866.5, 113.278, 61.75],
    [4764.2, 106.816, 56.803],
  ),
  stage(
    60,
    25,
    [10_496.9, 0.5, 0.283],
    [7247.9, 50.226, 24.281],
    [4745.1, 110.184, 58.497],
    [4835.2, 105.988, 57.426],
  ),
];
