import { option } from "@warmpath/runtime/base";

/** Hosted providers and the way to them. */
export const providerOptions = {
  providers: option.list({
    env: "WARMPATH_PROVIDERS",
    flag: "provider",
    default: [],
    doc: "Hosted providers as `anthropic key-env=MY_KEY models=claude-sonnet-4-5|fast=claude-haiku-4-5 in-flight=32`, separated by commas: a kind (openai, anthropic, gemini), `=URL` if it is not the kind's own, key-env or key-file, models with our names for them where they differ, name, in-flight.",
    why: "keys come from OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY unless key-env or key-file says otherwise, and models from the provider's own list",
  }),
  routes: option.list({
    env: "WARMPATH_ROUTES",
    flag: "route",
    default: [],
    doc: "Which models serve what, as `model=auto tools prompt>=32k -> qwen-72b claude-sonnet-4-5|gpt-5`, separated by commas: the first line all of whose conditions hold decides, models in the order of preference, those with a bar between them by price. Conditions: any, model=, tier=, tools, no-tools, prompt>=N, prompt<N, header:NAME=TEXT, header:NAME~REGEX, meta:NAME=TEXT, meta:NAME~REGEX, text~REGEX.",
    why: "without it a request goes to the model that it names",
  }),
  routeStayMs: option.int({
    env: "WARMPATH_ROUTE_STAY_MS",
    default: 300_000,
    min: 0,
    unit: "ms",
    doc: "How long after its last turn a session goes to the model of a route that served it, while that has room; 0: each turn is decided anew.",
    why: "five minutes, as long as providers keep a prompt cached; another model would read it all anew",
  }),
  routeSessionsMax: option.int({
    env: "WARMPATH_ROUTE_SESSIONS_MAX",
    default: 10_000,
    min: 1,
    doc: "Sessions whose model is remembered; the one silent for longest is forgotten first.",
    why: "about 200 bytes each",
  }),
  overflowWaitMs: option.int({
    env: "WARMPATH_OVERFLOW_WAIT_MS",
    default: 2000,
    min: 0,
    unit: "ms",
    doc: "How long a preferred model of a route may be saturated or without a healthy replica before the next one is asked.",
    why: "a burst on one GPU is over in a second or two; longer means that it is too small, and people wait",
  }),
} as const;
