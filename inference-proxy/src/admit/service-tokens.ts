/**
 * What the token of an answer costs next to one of the prompt. Sheng et al., Fairness in Serving
 * Large Language Models, OSDI 2024 (arXiv:2401.00588), weigh prompt to answer as 1 to 2.
 */
const answerTokenWeight = 2;

/**
 * Service in units of one computed prompt token; cached prompt tokens cost nothing. An engine that
 * reports more cached than asked gives its tenant no credit: nobody had less than no service.
 */
export function serviceTokens(computedPromptTokens: number, answerTokens: number): number {
  return Math.max(0, computedPromptTokens) + answerTokenWeight * answerTokens;
}
