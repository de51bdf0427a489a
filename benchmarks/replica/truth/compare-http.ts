/** Every recorded request that fits a server, sent to a real vLLM and to the replica. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { differencesOf, setDifferences } from "../recorded/compare.ts";
import { changedRequests } from "../recorded/differences.ts";
import { type ServerName, serverOf } from "../recorded/servers.ts";
import { parseRecording, type Recording } from "../recording.ts";
import type { Send } from "./send.ts";

const folder = join(import.meta.dir, "../testdata");

/** What differs for one request, a line for each difference. */
export interface HttpFinding {
  /** Name of the recording that the request is from, or of what else was compared. */
  readonly name: string;
  readonly differences: readonly string[];
}

/** Names of the recordings made with these servers, in the order in which they are replayed. */
export function recordingsOf(servers: readonly ServerName[]): readonly string[] {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith(".http"))
    .toSorted();
  return servers.flatMap((server) => names.filter((name) => serverOf(name) === server));
}

/**
 * Sends one recorded request to both; the real answer takes the place of the recorded one. A
 * replica gets some requests with other numbers, as the table says.
 */
export async function compareRequest(
  name: string,
  real: Send,
  ours: Send,
  isVllm: boolean,
): Promise<HttpFinding> {
  const recording = parseRecording(readFileSync(join(folder, name), "utf8"));
  const { from, to } = changedRequests[name] ?? { from: "", to: "" };
  const change = (text: string) => (from === "" ? text : text.replaceAll(from, to));
  const request = (body: string) => ({
    method: recording.method,
    path: recording.path,
    headers: recording.requestHeaders,
    ...(recording.method === "POST" ? { body } : {}),
  });
  const changed = change(recording.requestBody);
  const theirs = await real(request(isVllm ? recording.requestBody : changed));
  const mine = await ours(request(changed));
  const expected: Recording = {
    ...recording,
    status: theirs.status,
    headerNames: theirs.headerNames.map((header) => header.toLowerCase()),
    body: isVllm ? change(theirs.body.trim()) : theirs.body.trim(),
  };
  const comparesWords = name.startsWith("err-");
  return { name, differences: differencesOf(expected, mine, { comparesWords }) };
}

/** Names, types and labels of both metrics pages. */
export async function compareMetrics(name: string, real: Send, ours: Send): Promise<HttpFinding> {
  const page = async (send: Send) => (await send({ method: "GET", path: "/metrics" })).body;
  const [theirs, mine] = [await page(real), await page(ours)];
  return {
    name,
    differences: [
      ...setDifferences("family", familiesOf(theirs), familiesOf(mine)),
      ...setDifferences("series", seriesOf(theirs), seriesOf(mine)),
    ],
  };
}

function familiesOf(page: string): readonly string[] {
  const start = "# TYPE ";
  const lines = page.split("\n").filter((line) => line.startsWith(start));
  return lines.map((line) => line.slice(start.length));
}

/** Series with their labels; values that no two servers share are left out. */
function seriesOf(page: string): readonly string[] {
  const lines = page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return lines.map((line) => {
    const series = line.replace(/ \S+$/, "");
    if (series.startsWith("vllm:cache_config_info")) return series.replace(/="[^"]*"/g, "");
    return series.replace(/(model_name|handler|method|status)="[^"]*"/g, "$1");
  });
}
