import type { OverheadSummary } from "../overhead/summarise.ts";
import { plainProxy } from "../overhead/summary.ts";
import { formatNumber, formatTable } from "../report/table.ts";

/** Per contender one cell. */
interface Row {
  readonly name: string;
  readonly cell: (contender: string) => string;
}

/** All ratios in one table: a row a measure, a column a contender. */
export function ratioTable(summary: OverheadSummary): string {
  const { bodies, streams, leaves } = summary;
  const names = [...new Set([...bodies, ...streams, ...leaves].map(({ contender }) => contender))];
  const sizes = [...new Set(bodies.map(({ bytes }) => bytes))];
  const counts = [...new Set(streams.map((each) => each.streams))];
  const body = (bytes: number, contender: string) =>
    bodies.find((each) => each.bytes === bytes && each.contender === contender);
  const stream = (count: number, contender: string) =>
    streams.find((each) => each.streams === count && each.contender === contender);
  const sizeOf = (bytes: number) => `${formatNumber(bytes / 1000)} KB`;
  const rows: Row[] = [
    ...sizes.map((bytes) => ({
      name: `requests/s ÷ ${plainProxy}, ${sizeOf(bytes)}`,
      cell: (name: string) => formatNumber(body(bytes, name)?.toNginx, 3),
    })),
    ...sizes.map((bytes) => ({
      name: `requests/s ÷ direct, ${sizeOf(bytes)}`,
      cell: (name: string) => formatNumber(body(bytes, name)?.toDirect, 3),
    })),
    ...sizes.map((bytes) => ({
      name: `CPU a request × ${plainProxy}, ${sizeOf(bytes)}`,
      cell: (name: string) => formatNumber(body(bytes, name)?.cpuToNginx, 1),
    })),
    ...counts.map((count) => ({
      name: `CPU a token × ${plainProxy}, ${formatNumber(count)} streams`,
      cell: (name: string) => formatNumber(stream(count, name)?.cpuToNginx, 1),
    })),
    ...counts.map((count) => ({
      name: `tokens/s ÷ those due, ${formatNumber(count)} streams`,
      cell: (name: string) => formatNumber(stream(count, name)?.delivered, 2),
    })),
    ...leaveRows(summary),
    {
      name: "failures",
      cell: (name: string) =>
        formatNumber(
          summary.figures.find((figure) => figure.name.endsWith(`.${name}.failures`))?.value,
        ),
    },
  ];
  return formatTable(
    ["", ...names],
    rows.map(({ name, cell }) => [name, ...names.map(cell)]),
  );
}

function leaveRows({ leaves }: OverheadSummary): Row[] {
  const leave = (when: string, contender: string) =>
    leaves.find((each) => each.when === when && each.contender === contender);
  const uncut = (when: string) => (name: string) => {
    const each = leave(when, name);
    return each === undefined ? "–" : `${each.streams - each.cut} of ${each.streams}`;
  };
  return [
    {
      name: "tokens made after the caller left",
      cell: (name) => formatNumber(leave("midway", name)?.tokensAfterLeaving, 1),
    },
    { name: "goes on upstream: left midway", cell: uncut("midway") },
    { name: "goes on upstream: left before the first token", cell: uncut("before-first") },
    { name: "goes on upstream: left before a whole answer", cell: uncut("before-whole") },
  ];
}
