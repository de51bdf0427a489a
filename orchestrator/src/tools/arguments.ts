import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";

/** Compiled schemas kept; a worker offers far fewer tools, so this only bounds mistakes. */
const validatorsMax = 1_000;
/** Faults that a refusal lists: a model corrects a few at a time. */
const faultsShownMax = 5;

const ajv = new Ajv2020({ allErrors: true, strict: false, validateFormats: false });
const validators = new Map<string, ValidateFunction>();

/** Throws when the text is no JSON Schema that arguments can be checked against. */
export function compileSchema(parametersJson: string): ValidateFunction {
  const known = validators.get(parametersJson);
  if (known) return known;
  // ajv checks the schema itself against the meta-schema.
  const validate = ajv.compile(JSON.parse(parametersJson));
  if (validators.size >= validatorsMax) validators.clear();
  validators.set(parametersJson, validate);
  return validate;
}

/**
 * Why arguments are not acceptable, worded so that the model can correct them; undefined when they
 * are.
 */
export function faultOfArguments(
  parametersJson: string,
  argumentsJson: string,
): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(argumentsJson === "" ? "{}" : argumentsJson);
  } catch {
    return "The arguments are not valid JSON. Send one JSON object.";
  }
  const validate = compileSchema(parametersJson);
  if (validate(value)) return undefined;
  const faults = (validate.errors ?? []).slice(0, faultsShownMax).map((error) => {
    const extra: unknown = error.params["additionalProperty"];
    const name = typeof extra === "string" ? ` ("${extra}")` : "";
    return `${error.instancePath || "arguments"} ${error.message ?? "is not valid"}${name}`;
  });
  return `The arguments do not fit the tool's schema: ${faults.join("; ")}.`;
}
