import type { Options } from "./config.ts";
import type { Option } from "./option.ts";

/** The table as aligned text for `--help`: flag, variable, default and sentence. */
export function renderOptionsHelp(options: Options): string {
  const rows = Object.values(options).map((each) => [nameCell(each), each.env, each] as const);
  const flagWidth = Math.max(0, ...rows.map(([flag]) => flag.length));
  const envWidth = Math.max(0, ...rows.map(([, env]) => env.length));
  return rows
    .map(([flag, env, each]) => {
      const note = `${each.doc} (default: ${defaultText(each)})`;
      return `  ${flag.padEnd(flagWidth)}  ${env.padEnd(envWidth)}  ${note}`;
    })
    .join("\n");
}

/** The table in Markdown for docs/CONFIG.md. */
export function renderOptionsMarkdown(options: Options): string {
  const lines = [
    "| variable | flag | accepts | default | what it does, and why the default |",
    "|---|---|---|---|---|",
  ];
  for (const each of Object.values(options)) {
    const flag = each.flag === undefined ? "" : `\`--${each.flag}\``;
    const unit = each.unit === undefined ? "" : `, in ${each.unit}`;
    const why = each.why === undefined ? "" : ` ${each.why}`;
    const cells = [
      `\`${each.env}\``,
      flag,
      `${each.accepts}${unit}`,
      defaultText(each),
      `${each.doc}${why}`,
    ];
    lines.push(
      `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`,
    );
  }
  return lines.join("\n");
}

function nameCell(each: Option<unknown>): string {
  if (each.flag === undefined) {
    return "";
  }
  return each.kind === "bool" ? `--${each.flag}` : `--${each.flag} ${each.kind.toUpperCase()}`;
}

function defaultText(each: Option<unknown>): string {
  if (!("fallback" in each)) {
    return "required";
  }
  const { fallback } = each;
  if (
    fallback === undefined ||
    fallback === "" ||
    (Array.isArray(fallback) && fallback.length === 0)
  ) {
    return "none";
  }
  const text = Array.isArray(fallback) ? fallback.join(",") : String(fallback);
  return each.unit === undefined ? text : `${text} ${each.unit}`;
}
