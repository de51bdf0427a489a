/** A family of an exposition: its type, and the labels of its samples. */
export interface Family {
  readonly name: string;
  readonly type: string;
  readonly labels: ReadonlySet<string>;
}

/** The families of a Prometheus text. One without samples has no labels yet. */
export function parseExposition(text: string): readonly Family[] {
  const families = new Map<string, { name: string; type: string; labels: Set<string> }>();
  for (const line of text.split("\n")) {
    const [, name = "", type = ""] = /^# TYPE (\S+) (\S+)/.exec(line) ?? [];
    if (name !== "") families.set(name, { name, type, labels: new Set() });
    const sample = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? /.exec(line);
    if (sample === null) continue;
    const [, sampled = "", labels = ""] = sample;
    const family = families.get(sampled) ?? families.get(sampled.replace(seriesEnding, ""));
    for (const [, label = ""] of labels.matchAll(/([A-Za-z_]\w*)="(?:[^"\\]|\\.)*"/g)) {
      if (label !== "le" && label !== "quantile") family?.labels.add(label);
    }
  }
  return [...families.values()];
}

/** The names of the series of a family: a histogram has three. */
export function seriesOf({ name, type }: Pick<Family, "name" | "type">): readonly string[] {
  return type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
}

const seriesEnding = /_(?:bucket|sum|count)$/;
