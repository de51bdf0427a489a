/** Faults that are planted while stubs answer for state. */
import type { StubAnswer } from "../agent-protocol.ts";
import { type StubStage, stubChecks } from "../checks/failing-calls.ts";
import { services } from "../scene.ts";
import { configFault } from "./config.ts";
import type { Bench, Fault } from "./fault.ts";

const told = services.gateway.pod;
const routes = "VirtualService/warmpath-state";
const destination = "DestinationRule/warmpath-state";

/** Failures in a row, as the chart has it for connections. */
const inARow = 5;
/** A pod that was set aside is back before the next check is through with waiting for it. */
const shortly = { interval: "1s", baseEjectionTime: "3s" };

/** The chart counts failed connections alone, and istiod refuses their number without that. */
const countsAnswers = {
  splitExternalLocalOriginErrors: false,
  consecutiveLocalOriginFailures: undefined,
};

/** Failed answers set a pod aside, as they do by Envoy's own settings. */
const failuresEject = configFault<StubStage>({
  title: "UNAVAILABLE and 503 set a pod aside",
  reds: ["busy pod (unavailable)", "busy pod (http-503)"],
  object: destination,
  told,
  change: ({ trafficPolicy }) => {
    Object.assign(trafficPolicy.outlierDetection ?? {}, {
      ...shortly,
      ...countsAnswers,
      consecutiveGatewayErrors: inARow,
    });
  },
});

/** Envoy itself never counts what says "no room": it has to be said as a failure. */
const roomlessFail: Fault<StubStage> = {
  title: "failures set a pod aside, and one without room says that it failed",
  reds: [...failuresEject.reds, "busy pod (exhausted)", "busy pod (http-429)"],
  plant: async (stage) => {
    const { mend } = await failuresEject.plant(stage);
    const stubs = stage.stubs.map((stub) => ({
      ...stub,
      answer: (answer: StubAnswer) => {
        const isRoomless = answer === "exhausted" || answer === "http-429";
        stub.answer(isRoomless ? "unavailable" : answer);
      },
    }));
    return { stage: { ...stage, stubs }, mend };
  },
};

const quick: Bench<StubStage> = {
  areTogether: false,
  checks: stubChecks.filter(({ title }) => !title.includes("sick")),
  faults: [
    configFault({
      title: "SendMessage is tried again when it is UNAVAILABLE",
      reds: ["fails without metadata"],
      object: routes,
      told,
      change: ({ http }) => {
        const route = http.find(({ name }) => name.endsWith("/SendMessage"));
        Object.assign(route?.retries ?? {}, { attempts: 2, retryOn: "unavailable" });
      },
    }),
    configFault({
      title: "SendMessage is tried again whatever its answer",
      reds: ["fails after metadata", "fails without metadata"],
      object: routes,
      told,
      change: ({ http }) => {
        const route = http.find(({ name }) => name.endsWith("/SendMessage"));
        Object.assign(route?.retries ?? {}, { attempts: 2, retryOn: "200" });
      },
    }),
    configFault({
      title: "GetTask is not tried again",
      reds: ["lists with two retries"],
      object: routes,
      told,
      change: ({ http }) => {
        const route = http.find(({ name }) => name.endsWith("/GetTask"));
        Object.assign(route ?? {}, { retries: { attempts: 0 } });
      },
    }),
    failuresEject,
    roomlessFail,
  ],
};

const sick: Bench<StubStage> = {
  areTogether: false,
  checks: stubChecks.filter(({ title }) => title.includes("sick")),
  faults: [
    configFault({
      title: "no pod is ever set aside",
      reds: ["a sick pod"],
      object: destination,
      told,
      change: ({ trafficPolicy }) => {
        // A number of 0 would be Envoy's own, which is five.
        delete trafficPolicy.outlierDetection;
      },
    }),
  ],
};

/** With stubs in state's place. The last one leaves its pod without an Envoy. */
export const stubBenches: readonly Bench<StubStage>[] = [quick, sick];
