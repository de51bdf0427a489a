import { option } from "@warmpath/runtime/base";

/** Hosted providers and the way to them. */
export const providerOptions = {
  providers: option.list({
    env: "WARMPATH_PROVIDERS",
    flag: "provider",
    default: [],
    doc: "Hosted providers as `anthropic key-env=MY_KEY models=claude-sonnet-5|fast=claude-haiku-5 in-flight=32`, separated by commas: a kind (openai, anthropic, gemini), `=URL` if it is not the kind's own, key-env or key-file, models with our names for them where they differ, name, in-flight.",
    why: "keys come from OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY unless key-env or key-file says otherwise, and models from the provider's own list",
  }),
} as const;
