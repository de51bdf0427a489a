import { createServer } from "node:net";

// Below the ports that outgoing connections take, and beside those of the test servers.
const firstPort = 12_000;
const portsEnd = 19_900;
const triesMax = 50;
const offsets = [0, 1, 10, 11, 20, 21, 30, 31];

/** The start of a block of ports with a free one wherever a service listens. */
export async function freeBlock(): Promise<number> {
  for (let tries = 0; tries < triesMax; tries++) {
    const base = firstPort + 100 * Math.floor((Math.random() * (portsEnd - firstPort)) / 100);
    const free = await Promise.all(offsets.map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
  throw new Error(`no free block of ports found in ${triesMax} tries`);
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
