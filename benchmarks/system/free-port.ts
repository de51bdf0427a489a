import { createServer } from "node:net";

/**
 * Below the system's range for outgoing connections, so that none of those takes a port in between.
 */
const firstPort = 12_000;
const portsEnd = 19_900;
const triesMax = 50;

/**
 * The start of a block of free ports on loopback; the offsets are those that will be listened on.
 */
export async function freePortBlock(offsets: readonly number[]): Promise<number> {
  for (let tries = 0; tries < triesMax; tries++) {
    const base = firstPort + 10 * Math.floor((Math.random() * (portsEnd - firstPort)) / 10);
    const free = await Promise.all(offsets.map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
  throw new Error(`no free block of ports found in ${triesMax} tries from ${firstPort}`);
}

/** One free port. */
export function freePort(): Promise<number> {
  return freePortBlock([0]);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}
