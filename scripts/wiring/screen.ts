import { defaultDataDir } from "./data-dir.ts";
import { defaultPort, portsOf, reachableHost } from "./ports.ts";

/** What the first screen tells. */
export interface ScreenFacts {
  readonly host: string;
  readonly port: number;
  readonly devKey: string;
  /** The key came from the environment, and is in no file that a command could read. */
  readonly isKeyGiven: boolean;
  readonly dataDir: string;
  readonly simulatedReplicas: number;
  readonly upstreams: readonly string[];
  readonly agents: readonly string[];
  /** Names of the parts that are embedded, such as "PostgreSQL (PGlite)". */
  readonly embedded: readonly string[];
  readonly readyInMs: number;
}

/**
 * The one screen that `up` prints: where everything is, what to paste, what is not real. Made for
 * 80 columns and 24 lines, but for the link, which must not be broken.
 */
export function renderScreen(facts: ScreenFacts): string {
  const { port, devKey } = facts;
  const host = reachableHost(facts.host);
  const { gateway, "inference-proxy": proxy } = portsOf(port).services;
  const page = `http://${host}:${gateway.http}/#key=${encodeURIComponent(devKey)}`;
  const authorization = `-H ${quoted(`Authorization: Bearer ${devKey}`)}`;
  const submit = `-d '{"agent":"assistant","message":{"text":"What is 12345 * 678?"}}'`;
  const method = "warmpath.gateway.v1.AgentService/SubmitTask";
  const lines = [
    "",
    `  Warmpath is ready (${(facts.readyInMs / 1000).toFixed(1)} s). Ctrl-C stops it; the next start resumes the rest.`,
    "",
    `  page     ${page}`,
    `  gateway  http://${host}:${gateway.http}  Connect, gRPC-Web, JSON  gRPC: ${host}:${gateway.grpc}`,
    `  proxy    http://${host}:${proxy.http}/v1  OpenAI's API          gRPC: ${host}:${proxy.grpc}`,
    `  agents   ${facts.agents.join(", ")}`,
    `  API key  ${devKey}`,
    "",
    `  curl -sN http://${host}:${gateway.http}/chat -H 'Content-Type: application/json' \\`,
    `    ${authorization} \\`,
    `    -d '{"message":"What is 12345 * 678?","thread_id":"t1"}'`,
    "  npx buf curl --schema proto/baseline.binpb \\",
    `    ${authorization} \\`,
    `    ${submit} \\`,
    `    http://${host}:${gateway.http}/${method}`,
    `  ${chatCommand(facts)}`,
    "",
    ...realityLines(facts),
    "",
  ];
  return lines.join("\n");
}

/** The command that finds this very system. */
function chatCommand({ port, dataDir, devKey, isKeyGiven }: ScreenFacts): string {
  return [
    ...(isKeyGiven ? [`WARMPATH_DEV_KEY=${quoted(devKey)}`] : []),
    "npx warmpath chat assistant",
    ...(port === defaultPort ? [] : [`--port ${port}`]),
    ...(isKeyGiven || dataDir === defaultDataDir ? [] : [`--data-dir ${quoted(dataDir)}`]),
  ].join(" ");
}

/** One word of a shell command. */
function quoted(text: string): string {
  return /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function realityLines(facts: ScreenFacts): string[] {
  const { simulatedReplicas, upstreams, embedded, dataDir } = facts;
  const lines: string[] = [];
  if (simulatedReplicas > 0) {
    lines.push(
      `  Simulated: the ${simulatedReplicas} model replicas: scripted text that says so, invented price.`,
      "    A real engine or provider:  npm start -- --upstream http://127.0.0.1:8000",
      "    (vLLM, Ollama, any OpenAI-compatible; its key: WARMPATH_UPSTREAM_API_KEY)",
    );
  } else {
    lines.push(`  Upstreams: ${upstreams.join(", ")}`);
  }
  if (embedded.length > 0) {
    lines.push(
      `  Embedded: ${embedded.join(", ")}; data in ${dataDir}.`,
      "    Servers of your own:  --postgres URL, --redis URL, --nats URL  (see --help)",
    );
  }
  return lines;
}
