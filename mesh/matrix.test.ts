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
import { codeFactsOf } from "./code-facts.ts";
import { matrixFaults, type ProtoService } from "./matrix-faults.ts";
import { readMatrix } from "./service-table.ts";

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

test("plain paths are those that the code serves, none missing and none extra", () => {
  const source = (path: string) => readFileSync(join(import.meta.dir, "..", path), "utf8");
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
