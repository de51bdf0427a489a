// A service whose tasks Restate makes durable, as its documentation has it: the server calls this
// process over HTTP/2 and keeps the journal; each step is a `ctx.run`.

import { createServer } from "node:http2";
import { createRequire } from "node:module";
import { runAgent } from "./agent-loop.mjs";

// The SDK asks for Node 22; this is all that Node 20 lacks for it.
Promise.withResolvers ??= () => {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

const { PACKAGES, MODEL_URL, MODEL_NAME } = process.env;
const restate = createRequire(PACKAGES)("@restatedev/restate-sdk");
const model = { url: MODEL_URL, name: MODEL_NAME };

const agent = restate.service({
  name: "Agent",
  handlers: {
    run: (context, question) => runAgent(question, model, (name, call) => context.run(name, call)),
  },
});
const handler = restate.createEndpointHandler({ services: [agent] });
const server = createServer(handler);
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })}\n`);
});
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
