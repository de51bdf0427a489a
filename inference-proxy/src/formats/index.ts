/** What the APIs served have each for itself: errors, credentials, ids. */
export {
  apiHeadersOf,
  authorizationOf,
  type Dialect,
  dialectOf,
  requestIdHeaders,
} from "./dialect.ts";
export {
  type BodyMembers,
  type ControlPolicy,
  type Controls,
  decideControls,
  parseControlPolicy,
} from "./engine-controls.ts";
export { anthropicErrorBody, messagesErrorEvent, responsesErrorEvent } from "./error-shapes.ts";
export { refuseStored, storedFault } from "./stored-responses.ts";
export {
  type StreamTranslator,
  streamTranslatorOf,
  type Translation,
  translateAnswerBody,
  translateRequestBody,
  translationOf,
} from "./translate-body.ts";
export { createUpstreamPaths, isPathMissing, type UpstreamPaths } from "./upstream-paths.ts";
