/**
 * `@warmpath/orchestrator/testing`: a scripted model and an orchestrator over a real log, for
 * tests.
 */
export { createEffectTool, type EffectTool } from "./effects.ts";
export {
  ada,
  Crash,
  createHarness,
  type Harness,
  type HarnessOptions,
  specOf,
  specTool,
} from "./harness.ts";
export {
  createScriptedModel,
  resultsSeen,
  type Script,
  type ScriptedAnswer,
  type ScriptedModel,
  userTexts,
} from "./scripted-model.ts";
