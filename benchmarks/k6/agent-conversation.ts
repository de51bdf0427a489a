/**
 * k6 scenario: people talking with an agent. One iteration is one session on a connection of its
 * own: three turns of one conversation with time to think between them. Sessions arrive at a fixed
 * rate, whether or not earlier ones have ended (open loop), so a slow system gets no mercy. Run by
 * `npm run bench:k6 -- agent-conversation`.
 */
// biome-ignore lint/correctness/noUndeclaredDependencies: k6 brings its own modules
import { check, sleep } from "k6";
// biome-ignore lint/correctness/noUndeclaredDependencies: k6 brings its own modules
import exec from "k6/execution";
// biome-ignore lint/correctness/noUndeclaredDependencies: k6 brings its own modules
import { Counter, Rate, Trend } from "k6/metrics";
// biome-ignore lint/correctness/noUndeclaredDependencies: k6 brings its own modules
import grpc from "k6/net/grpc";

const service = "warmpath.gateway.v1.AgentService";
const sessionsPerSecond = Number(__ENV.WARMPATH_K6_RATE);
const sessionsMax = Number(__ENV.WARMPATH_K6_SESSIONS_MAX);
const turnTimeoutMs = 30_000;

/**
 * Submit call sent until the first text of the answer arrives; with tools, that is after their
 * steps.
 */
const timeToFirstToken = new Trend("time_to_first_token", true);
/**
 * Between two arrivals of text; the worker sends what came in 15 ms together, so this is not the
 * engine's gap.
 */
const textGap = new Trend("text_gap", true);
/** Submit call sent until the watcher sees the task's end. */
const turnLatency = new Trend("turn_latency", true);
/** First submit until the last turn's end, thinking included. */
const sessionDuration = new Trend("session_duration", true);
const turnFailures = new Rate("turn_failures");
const toolCalls = new Counter("tool_calls");
const modelAnswers = new Counter("model_answers");

const client = new grpc.Client();
client.loadProtoset(__ENV.WARMPATH_K6_PROTOSET);

export const options = {
  scenarios: {
    conversations: {
      executor: "constant-arrival-rate",
      exec: "converse",
      rate: Math.max(1, Math.round(sessionsPerSecond * 60)),
      timeUnit: "1m",
      duration: __ENV.WARMPATH_K6_DURATION,
      preAllocatedVUs: Math.min(sessionsMax, 20),
      maxVUs: sessionsMax,
      gracefulStop: "30s",
    },
  },
  thresholds: {
    "time_to_first_token{turn:chat}": ["p(95)<500"],
    "turn_latency{turn:tools}": ["p(95)<5000"],
    turn_failures: ["rate==0"],
    checks: ["rate==1"],
    dropped_iterations: ["count==0"],
  },
  summaryTrendStats: ["avg", "min", "med", "p(90)", "p(95)", "p(99)", "max", "count"],
};

/** One session. */
export async function converse() {
  const session = `k6-${exec.vu.idInTest}-${exec.scenario.iterationInTest}-${Date.now()}`;
  const name = `Visitor${exec.scenario.iterationInTest}`.replace(
    /\d/g,
    (digit) => "abcdefghij"[Number(digit)],
  );
  client.connect(__ENV.WARMPATH_K6_GATEWAY, { plaintext: true, timeout: "5s" });
  const startedMs = Date.now();
  try {
    await turn(session, "chat", `Hello, my name is ${name}.`);
    think();
    const answer = await turn(
      session,
      "tools",
      "What is 12345 * 678? Then look up in the docs how leases are fenced.",
    );
    check(answer, { "the tools' result is in the answer": (text) => text.includes("8369910") });
    think();
    const recalled = await turn(session, "chat", "What is my name?");
    check(recalled, { "the conversation was kept": (text) => text.includes(name) });
    sessionDuration.add(Date.now() - startedMs);
  } finally {
    client.close();
  }
}

/** A short, skewed pause: mostly around a second, seldom several. */
function think() {
  sleep(Math.min(5, -Math.log(1 - Math.random()) * Number(__ENV.WARMPATH_K6_THINK_SECONDS)));
}

/**
 * Submits one message and watches its task to the end; the answer, or an empty text when it failed.
 */
function turn(threadId, kind, text) {
  const metadata = { authorization: `Bearer ${__ENV.WARMPATH_K6_KEY}` };
  const tags = { turn: kind };
  const sentMs = Date.now();
  const request = {
    agent: "assistant",
    message: { text },
    thread_id: threadId,
    lane: "LANE_INTERACTIVE",
  };
  const submitted = client.invoke(`${service}/SubmitTask`, request, { metadata, timeout: "10s" });
  if (submitted.status !== grpc.StatusOK) {
    return failed(`SubmitTask: ${JSON.stringify(submitted.error)}`, tags);
  }
  return watch(submitted.message.taskId, { metadata, tags, sentMs });
}

function watch(taskId, { metadata, tags, sentMs }) {
  return new Promise((resolve) => {
    let lastTextMs = 0;
    let result: string | undefined;
    const stream = new grpc.Stream(client, `${service}/WatchTask`, {
      metadata,
      timeout: `${turnTimeoutMs}ms`,
    });
    stream.on("data", ({ delta, event }) => {
      const nowMs = Date.now();
      if (delta?.text) {
        if (lastTextMs === 0) timeToFirstToken.add(nowMs - sentMs, tags);
        else textGap.add(nowMs - lastTextMs, tags);
        lastTextMs = nowMs;
      }
      if (event?.toolFinished) toolCalls.add(1, tags);
      if (event?.modelAnswered) modelAnswers.add(1, { replica: event.modelAnswered.replica });
      if (event?.completed) {
        turnLatency.add(nowMs - sentMs, tags);
        turnFailures.add(false, tags);
        result = event.completed.answer;
      } else if (event?.failed || event?.cancelled) {
        result = failed(`task ${taskId} ended with ${JSON.stringify(event)}`, tags);
      }
    });
    stream.on("error", (error) => {
      result ??= failed(`WatchTask: ${error.message}`, tags);
    });
    stream.on("end", () =>
      resolve(result ?? failed(`task ${taskId}: the stream ended early`, tags)),
    );
    stream.write({ task_id: taskId });
    stream.end();
  });
}

function failed(why, tags) {
  console.error(why);
  turnFailures.add(true, tags);
  return "";
}

/** The whole summary to a file; `run.ts` prints the table. */
export function handleSummary(data) {
  return { [__ENV.WARMPATH_K6_SUMMARY]: JSON.stringify(data) };
}
