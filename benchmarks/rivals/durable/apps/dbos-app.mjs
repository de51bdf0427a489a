// A service whose tasks DBOS makes durable, as its documentation has it: workflow and steps are plain
// functions of this process, checkpointed in PostgreSQL. `RUNS_THROUGH=queue` puts each task into a
// durable queue first, from which any process of the application may take it.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { runAgent } from "./agent-loop.mjs";

const { PACKAGES, POSTGRES_URL, MODEL_URL, MODEL_NAME, RUNS_THROUGH } = process.env;
const { DBOS } = createRequire(PACKAGES)("@dbos-inc/dbos-sdk");
const queue = "agents";
const model = { url: MODEL_URL, name: MODEL_NAME };

DBOS.setConfig({
  name: "bench",
  systemDatabaseUrl: POSTGRES_URL,
  // The default of 10 would be the limit, not the system.
  systemDatabasePoolSize: 40,
  logLevel: "error",
});
const agent = DBOS.registerWorkflow(
  (question) => runAgent(question, model, (name, call) => DBOS.runStep(call, { name })),
  { name: "agent" },
);
await DBOS.launch();
// The default of a second would be all that is measured.
if (RUNS_THROUGH === "queue") await DBOS.registerQueue(queue, { minPollingIntervalMs: 20 });

async function run(question) {
  const params = RUNS_THROUGH === "queue" ? { queueName: queue } : {};
  const handle = await DBOS.startWorkflow(agent, params)(question);
  return handle.getResult({ pollingIntervalMs: 20 });
}

const server = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => {
    body += chunk;
  });
  request.on("end", () => {
    run(JSON.parse(body)).then(
      (result) => response.end(JSON.stringify(result)),
      (error) => response.writeHead(500).end(String(error)),
    );
  });
});
server.keepAliveTimeout = 0;
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })}\n`);
});
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
