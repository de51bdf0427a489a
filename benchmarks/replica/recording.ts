/** One recorded exchange. */
export interface Recording {
  readonly method: string;
  readonly path: string;
  readonly requestHeaders: Readonly<Record<string, string>>;
  readonly requestBody: string;
  readonly status: number;
  readonly headerNames: readonly string[];
  readonly body: string;
}

/** Reads a `.http` file: `>` lines are the request, `<` lines the response head, then the body. */
export function parseRecording(text: string): Recording {
  const lines = text.split("\n");
  const sent = lines.filter((line) => line.startsWith(">")).map((line) => line.slice(2));
  const received = lines.filter((line) => line.startsWith("<")).map((line) => line.slice(2));
  const headEnd = lines.findLastIndex((line) => line.startsWith("< "));
  const blank = sent.indexOf("");
  const headerLines = sent.slice(1, blank === -1 ? undefined : blank);
  const [method = "", path = ""] = (sent[0] ?? "").split(" ");
  return {
    method,
    path,
    requestHeaders: Object.fromEntries(headerLines.map(splitHeader)),
    requestBody: blank === -1 ? "" : expandRepeats(sent.slice(blank + 1).join("\n")),
    status: Number((received[0] ?? "").split(" ")[1]),
    headerNames: received.slice(1).map((line) => splitHeader(line)[0]),
    body: lines
      .slice(headEnd + 2)
      .join("\n")
      .trim(),
  };
}

/** The JSON values of a body: one, or one for each event of a stream. */
export function valuesOf(body: string): unknown[] {
  if (!body.startsWith("data: ")) return body === "" ? [] : [JSON.parse(body)];
  return body
    .split("\n\n")
    .map((event) => event.replace(/^data: /, "").trim())
    .filter((data) => data !== "" && data !== "[DONE]")
    .map((data): unknown => JSON.parse(data));
}

/**
 * The events of a body with their names, `[DONE]` among them; a body that is no stream is one event
 * without a name. Undefined where it is neither empty nor JSON.
 */
export function eventsOf(body: string): { name: string; value: unknown }[] | undefined {
  if (body === "") return [];
  try {
    if (!/^(?:event|data): /.test(body)) return [{ name: "", value: JSON.parse(body) }];
    return body
      .split("\n\n")
      .filter((block) => block.trim() !== "")
      .map((block) => {
        const name = /^event: (.*)$/m.exec(block)?.[1] ?? "";
        const data = /^data: (.*)$/m.exec(block)?.[1] ?? "";
        return { name, value: data === "[DONE]" ? data : (JSON.parse(data) as unknown) };
      });
  } catch {
    // Recordings that were cut for length end in the middle of their JSON.
    return undefined;
  }
}

/**
 * Every path of a value with the types found there, list items merged: `choices[].index: number`.
 */
export function shapeOf(value: unknown, path = ""): string[] {
  if (Array.isArray(value)) {
    const items = value.flatMap((item: unknown) => shapeOf(item, `${path}[]`));
    return [`${path}: list`, ...new Set(items)];
  }
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).flatMap(([key, member]) =>
      shapeOf(member, path === "" ? key : `${path}.${key}`),
    );
    return path === "" ? members : [`${path}: object`, ...members];
  }
  return [`${path}: ${value === null ? "null" : typeof value}`];
}

function splitHeader(line: string): [string, string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}

/** Long prompts were recorded as `<'license ' x 5000>`. */
function expandRepeats(text: string): string {
  return text.replace(/<'([^']+)' x (\d+)>/g, (_, unit: string, count: string) =>
    unit.repeat(Number(count)),
  );
}
