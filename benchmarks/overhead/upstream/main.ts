/**
 * An upstream that takes no time of its own: what remains is the cost of whoever stands in front.
 * Speaks just enough of an OpenAI-compatible engine to be admitted to a pool, over sockets by hand,
 * because a server for all purposes would cost more than a plain proxy does. Ends when its standard
 * input closes.
 */
import { fixedAnswers, jsonAnswer, notFound, wholeAnswer } from "./answers.ts";
import { createRequestReader, type MockRequest } from "./http-requests.ts";
import { createPeer, type Peer, type PeerSocket } from "./peer.ts";
import { countsPath, type MockCounts, type MockPlan, planPath, wholeAtOnce } from "./plan.ts";
import { createTokenStreams } from "./token-streams.ts";

const chatPath = "/v1/chat/completions";

/**
 * A plan, and what happened under it: late ends of an earlier plan do not count for a later one.
 */
function createPhase(plan: MockPlan) {
  const underWay = new Set<Peer>();
  let requests = 0;
  let finished = 0;
  let cut = 0;
  const end = (peer: Peer) => {
    underWay.delete(peer);
    finished += 1;
  };
  const streams = createTokenStreams(plan, end);
  const answer = (peer: Peer, body: string) => {
    // Gone, or already ended with its plan.
    if (peer.isClosed() || !underWay.has(peer)) return;
    if (plan.kind === "stream") {
      streams.start(peer, body.includes('"include_usage"'));
      return;
    }
    peer.write(wholeAnswer);
    end(peer);
  };
  return {
    plan,
    /**
     * Nothing of this plan goes on under the next one: whoever still waits gets a proper end at
     * once, so that its connection is as good as before.
     */
    endAll() {
      streams.endAll();
      // Those that have not begun: they begin, and end.
      for (const peer of [...underWay]) answer(peer, "");
      streams.endAll();
    },
    take(peer: Peer, body: string) {
      requests += 1;
      underWay.add(peer);
      if (plan.firstMs === 0) answer(peer, body);
      else setTimeout(() => answer(peer, body), plan.firstMs);
    },
    onClose(peer: Peer) {
      if (underWay.delete(peer)) cut += 1;
    },
    counts: (): MockCounts => ({ requests, finished, cut, tokens: streams.tokensMade() }),
  };
}

let phase = createPhase(wholeAtOnce);

function answer(peer: PeerSocket, request: MockRequest): void {
  if (request.path === chatPath) {
    phase.take(peer, request.body);
  } else if (request.path === planPath) {
    phase.endAll();
    // The bench's own order.
    phase = createPhase(JSON.parse(request.body) as MockPlan);
    peer.write(jsonAnswer({}));
  } else if (request.path === countsPath) {
    peer.write(jsonAnswer(phase.counts()));
  } else {
    peer.write(fixedAnswers[request.path] ?? notFound);
  }
}

interface Connection {
  readonly peer: PeerSocket;
  readonly read: (bytes: Buffer) => void;
}

const server = Bun.listen<Connection>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(socket) {
      socket.setNoDelay(true);
      const peer = createPeer(socket);
      const keepsBody = (path: string) => path === planPath || phase.plan.kind === "stream";
      const read = createRequestReader(keepsBody, (request) => answer(peer, request));
      socket.data = { peer, read };
    },
    data: (socket, bytes) => socket.data.read(bytes),
    drain: (socket) => socket.data.peer.onDrain(),
    close(socket) {
      socket.data.peer.onClose();
      phase.onClose(socket.data.peer);
    },
    error(socket) {
      socket.data.peer.onClose();
      phase.onClose(socket.data.peer);
    },
  },
});

process.stdout.write(
  `${JSON.stringify({ ready: true, url: `http://127.0.0.1:${server.port}`, pid: process.pid })}\n`,
);
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
