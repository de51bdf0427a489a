// Goal: the matrix says what the proto files and the code say, and keeps its own rules. Method: compare it with the
// generated descriptors and the services' sources; then spoil a copy in each way, and see it told.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AgentService } from "@warmpath/proto/gateway";
import { health, reflection } from "@warmpath/proto/grpc";
import { InferenceService } from "@warmpath/proto/inference";
import {
  AgentRegistry,
  ConversationService,
  KeyService,
  KnowledgeService,
  TaskService,
} from "@warmpath/proto/state";
import { ToolService } from "@warmpath/proto/tool";
import { optionTables } from "../scripts/wiring/load-settings.ts";
import { codeFactsOf } from "./code-facts.ts";
import { matrixFaults, type ProtoService } from "./matrix-faults.ts";
import { waitFaults } from "./matrix-waits.ts";
import { callersOf, readMatrix } from "./service-table.ts";

const protos: readonly ProtoService[] = [
  AgentService,
  InferenceService,
  AgentRegistry,
  ConversationService,
  KeyService,
  KnowledgeService,
  TaskService,
  ToolService,
  health.Health,
  reflection.ServerReflection,
];
const matrix = readMatrix();
const code = Object.fromEntries(
  matrix.services.map(({ name }) => [name, codeFactsOf(name, protos)]),
);

const source = (path: string) => readFileSync(join(import.meta.dir, "..", path), "utf8");

test("every service of the proto files is compared", () => {
  const folder = join(import.meta.dir, "../proto/warmpath");
  const declared = [...new Bun.Glob("**/*.proto").scanSync(folder)].flatMap((path) => {
    const text = readFileSync(join(folder, path), "utf8");
    const proto = /^package (\S+);/m.exec(text)?.[1];
    return [...text.matchAll(/^service (\w+)/gm)].map(([, name]) => `${proto}.${name}`);
  });
  const compared = protos.map(({ typeName }) => typeName);
  expect(declared.filter((name) => !compared.includes(name))).toEqual([]);
});

test("the matrix agrees with the proto files, with the code, and with its own rules", () => {
  expect(matrixFaults(matrix, protos, code)).toEqual([]);
});

test("what the proto files keep for operators is open to nobody in the mesh", () => {
  const file = "proto/warmpath/inference/v1/inference_service.proto";
  const kept = [...source(file).matchAll(/((?: *\/\/.*\n)+) *rpc (\w+)/g)].flatMap(
    ([, comment = "", method = ""]) => (comment.includes("PERMISSION_DENIED") ? [method] : []),
  );
  expect(kept).toEqual(["DrainReplica", "ResumeReplica"]);
  const proxy = matrix.services.find(({ name }) => name === "inference-proxy");
  const rpc = proxy?.rpcs[InferenceService.typeName] ?? { callers: ["nobody"], methods: {} };
  expect(kept.flatMap((method) => callersOf(rpc, method))).toEqual([]);
});

/** A setting's default, in ms. */
function defaultOf(variable: string): number | undefined {
  const found = Object.values(optionTables)
    .flatMap((options) => Object.values(options))
    .find(({ env }) => env === variable)?.fallback;
  return typeof found === "number" ? found : undefined;
}

test("no route cuts what the code lets happen", () => {
  expect(waitFaults(matrix, defaultOf)).toEqual([]);
  // Two that are no settings: of the orchestrator's calls, and of a tool by its agent's YAML.
  const secondsOf = (path: string, pattern: RegExp) =>
    Number(pattern.exec(source(path))?.[1]?.replaceAll("_", "")) / 1000;
  const callSeconds = secondsOf("orchestrator/src/config.ts", /callTimeoutMs = ([\d_]+);/);
  const toolSeconds = secondsOf(
    "orchestrator/src/agents/limits.ts",
    /toolTimeoutMs: \{.* max: ([\d_]+),/,
  );
  expect([callSeconds, toolSeconds]).toEqual([10, 900]);
  const rpcs = matrix.services.find(({ name }) => name === "state")?.rpcs ?? {};
  const tools = matrix.outside["tools"]?.rpcs?.[ToolService.typeName]?.methods ?? {};
  for (const { timeoutSeconds = 0 } of Object.values(rpcs).flatMap(({ methods }) =>
    Object.values(methods),
  )) {
    expect(timeoutSeconds).toBeGreaterThan(callSeconds);
  }
  for (const name of ["CallTool", "ReconcileTool"]) {
    expect(tools[name]?.timeoutSeconds).toBeGreaterThan(toolSeconds);
  }
});

test("plain paths are those that the code serves, none missing and none extra", () => {
  const pathsOf = (service: string) =>
    matrix.services.find(({ name }) => name === service)?.paths ?? [];
  const operations = /operations: .*?\{(.*?)\};/s.exec(
    source("inference-proxy/src/relay/read-request.ts"),
  );
  const served = [...(operations?.[1] ?? "").matchAll(/"(\/[^"]+)":/g)].map(
    ([, path = ""]) => path,
  );
  const posted = pathsOf("inference-proxy").filter(({ verbs }) => verbs.join() === "POST");
  expect(posted.map(({ path }) => path).sort()).toEqual(served.sort());
  const asked = source("inference-proxy/src/relay/handle.ts");
  const lists = [...asked.matchAll(/path( ===|\.startsWith\()\s*"(\/v1\/\w[^"]*)"/g)].map(
    ([, how, path]) => `GET ${path}${how === " ===" ? "" : "*"}`,
  );
  // Whatever is asked of a stored response has one answer; these are the verbs that clients use.
  const stored = /storedPath = "(.*)"/.exec(
    source("inference-proxy/src/formats/stored-responses.ts"),
  );
  const others = pathsOf("inference-proxy").filter(({ verbs }) => verbs.join() !== "POST");
  expect(others.map(({ path, verbs }) => `${verbs.join()} ${path}`).sort()).toEqual(
    [...new Set(lists), `GET,DELETE,POST ${stored?.[1]}*`].sort(),
  );
  // The console's page and files are GET of "/" and "/console/".
  const spans = [...source("gateway/src/http.ts").matchAll(/spanName: "(\w+) (\/[^"]*)"/g)];
  const routes = spans.map(([, verb, path]) => `${verb} ${path?.replace(/\{.*/, "*")}`);
  const listed = pathsOf("gateway").filter(({ path }) => path !== "/" && path !== "/console/*");
  expect(listed.map(({ verbs, path }) => `${verbs.join()} ${path}`).sort()).toEqual(routes.sort());
});

// Each text of the file is replaced once; what must be told of the result.
const spoilt: readonly [why: string, from: string, to: string, told: RegExp][] = [
  [
    "a method that is missing",
    "          ReadEvents: {",
    "          # {",
    /ReadEvents: .*not list/,
  ],
  [
    "a method that does not exist",
    "          ReadEvents:",
    "          ReadAll:",
    /ReadAll: no proto/,
  ],
  [
    "a service that is missing",
    "warmpath.state.v1.KeyService:",
    "x.KeyService:",
    /not list this s/,
  ],
  ["a service that does not exist", "warmpath.state.v1.KeyService:", "x.Keys:", /x.Keys: no proto/],
  [
    "a stream as unary",
    "WatchTask: { stream: server,",
    "WatchTask: {",
    /WatchTask: stream is unde/,
  ],
  [
    "a unary method as stream",
    "GetTask: { idem",
    "GetTask: { stream: server, idem",
    /GetTask: strea/,
  ],
  [
    "a write called idempotent",
    "SendMessage: { idempotent: false",
    "SendMessage: { idempotent: true",
    /SendMessage: idempotent is true/,
  ],
  [
    "a retried write",
    "SendMessage: { idempotent: false, timeoutSeconds: 15, retries: 0",
    "SendMessage: { idempotent: false, timeoutSeconds: 15, retries: 1",
    /SendMessage: retries/,
  ],
  [
    "a retried stream",
    "WatchTask: { stream: server, idempotent: false",
    "WatchTask: { stream: server, idempotent: false, retries: 1",
    /WatchTask: retries/,
  ],
  [
    "a stream with a timeout",
    "WatchTask: { stream: server, idempotent: false",
    "WatchTask: { stream: server, idempotent: false, timeoutSeconds: 60",
    /WatchTask: a stream has no route timeout/,
  ],
  [
    "a unary method without a timeout",
    "SubmitTask: { idempotent: true, timeoutSeconds: 15,",
    "SubmitTask: { idempotent: true,",
    /SubmitTask: a unary method needs a timeout/,
  ],
  ["a caller too few", "callers: [gateway, inference-proxy]", "callers: [gateway]", /forbids it/],
  ["a caller too many", "callers: [gateway]\n", "callers: [gateway, orchestrator]\n", /never does/],
  ["a caller that is none", "callers: [gateway]\n", "callers: [portal]\n", /no caller portal/],
  [
    "a service that is open to clients and not public",
    "callers: [gateway]\n",
    "callers: [gateway, ingress]\n",
    /state is not public/,
  ],
  [
    "a caller that is given no address",
    "calls: { state: WARMPATH_STATE_URL }",
    "calls: {}",
    /gateway may call state, whose address it is not given/,
  ],
  [
    "a path that streams within a timeout",
    "path: /chat,",
    "path: /chat, timeoutSeconds: 9,",
    /\/chat/,
  ],
  [
    "a retry that clients would have to make",
    "ListTasks: { idempotent: true, timeoutSeconds: 15, retries: 0",
    "ListTasks: { idempotent: true, timeoutSeconds: 15, retries: 2",
    /AgentService.ListTasks: retries, and no service calls it/,
  ],
  [
    "a misspelt key",
    "timeoutSeconds: 15, retries: 2 }",
    "timeoutSeconds: 15, retry: 2 }",
    /no retry/,
  ],
  ["one identity for two", "account: gateway", "account: state", /service account state is there/],
  ["one port for two", "http: 8700", "http: 8710", /port 8710 is there twice/],
  ["gRPC that is declared as HTTP/1.1", "grpc: grpc }", "grpc: http }", /declared as http/],
  ["a retry of what was refused", "retryOn: connect-failure", "retryOn: 5xx", /5xx is no reason/],
  [
    "callers of what no policy is made of",
    "grpc.health.v1.Health:\n    callers: []",
    "grpc.health.v1.Health:\n    callers: [gateway]",
    /Health: gateway may call it, and no policy/,
  ],
  ["tools without a way out", "egress: [tools, otlp]", "egress: [otlp]", /no way out to it/],
  [
    "a way out that nobody takes",
    "egress: [engines,",
    "egress: [tools, engines,",
    /inference-proxy may go out to tools, and/,
  ],
  ["a destination that is none", "egress: [engines,", "egress: [motors,", /called motors/],
];

for (const [why, from, to, told] of spoilt) {
  test(`tells of ${why}`, () => {
    const text = readFileSync(join(import.meta.dir, "matrix.yaml"), "utf8");
    expect(text).toContain(from);
    // The very file, spoilt in one place.
    const copy = Bun.YAML.parse(text.replace(from, to)) as typeof matrix;
    expect(matrixFaults(copy, protos, code).join("\n")).toMatch(told);
  });
}

const cut: readonly [why: string, from: string, to: string, told: RegExp][] = [
  [
    "a model call that is cut before the proxy gives it up",
    "Embed: { idempotent: true, timeoutSeconds: 660",
    "Embed: { idempotent: true, timeoutSeconds: 300",
    /Embed: cut after 300 s, and the code waits 660000 ms/,
  ],
  [
    "a call of state that is cut before its caller gives it up",
    "GetTask: { idempotent: true, timeoutSeconds: 15, retries: 2",
    "GetTask: { idempotent: true, timeoutSeconds: 2, retries: 2",
    /TaskService: cut after 2 s/,
  ],
  [
    "a default that the code does not have",
    "WARMPATH_PROXY_WHOLE_TIMEOUT_MS: 600000",
    "WARMPATH_PROXY_WHOLE_TIMEOUT_MS: 60000",
    /is 600000 by the code, and not 60000/,
  ],
  ["a wait for nothing", "below: [/query]", "below: [/queries]", /queries: it has no timeout/],
  ["a wait of nobody's", "- service: gateway\n", "- service: portal\n", /no service portal/],
];

for (const [why, from, to, told] of cut) {
  test(`tells of ${why}`, () => {
    const text = readFileSync(join(import.meta.dir, "matrix.yaml"), "utf8");
    expect(text).toContain(from);
    // The very file, spoilt in one place.
    const copy = Bun.YAML.parse(text.replace(from, to)) as typeof matrix;
    expect(waitFaults(copy, defaultOf).join("\n")).toMatch(told);
  });
}
