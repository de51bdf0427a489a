/**
 * What every package may use, pure policy included: no sockets, no files, nothing of the rest of
 * `runtime`.
 */
export { assert, unreachable } from "./assert.ts";
export { abortSignalOf, Cancellation, type CancelSignal } from "./cancel.ts";
export { after, type Clock, systemClock, timeoutSignal } from "./clock.ts";
export {
  type Config,
  type ConfigSources,
  loadConfig,
  type Options,
  type Relation,
} from "./config.ts";
export {
  type ErrorOptions,
  errorOfAbort,
  type FieldFault,
  messageOf,
  registerErrorConverter,
  WarmpathError,
} from "./error.ts";
export { type IdPrefix, isId, newId } from "./id.ts";
export {
  createLogger,
  type LogFields,
  type Logger,
  type LoggerOptions,
  type LogLevel,
  logLevels,
  registerLogFields,
  silentLogger,
} from "./log.ts";
export { nearestName } from "./nearest-name.ts";
export { type Option, type OptionKind, type OptionSpec, option } from "./option.ts";
export { backoffMs, type Random, seededRandom, systemRandom } from "./random.ts";
export {
  type Code,
  isReason,
  type Reason,
  type ReasonRow,
  type Retry,
  reasonForCode,
  reasons,
  type Source,
} from "./reasons.ts";
export { renderOptionsHelp, renderOptionsMarkdown } from "./render-options.ts";
