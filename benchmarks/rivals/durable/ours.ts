import { serverStorage } from "../../durable/storages.ts";
import { createAgentClient } from "../../system/agent-client.ts";
import { startSystem } from "../../system/start-system.ts";
import type { FoundSystem } from "./system.ts";

const taskTimeoutMs = 60_000;

/** Ours on PostgreSQL with fsync, Redis and NATS: a task submitted and watched at the gateway. */
export async function findOurs(): Promise<FoundSystem> {
  const storage = await serverStorage();
  if ("absent" in storage) return { absent: `warmpath: absent: ${storage.absent}` };
  return {
    system: {
      name: "warmpath",
      what: `all layers in one process on ${storage.what}`,
      async start(model) {
        const { stop: stopStorage, ...urls } = await storage.start();
        try {
          const system = await startSystem({ upstreamUrls: [model.url], ...urls });
          const client = createAgentClient(system.gatewayUrl, system.key);
          return {
            async run(question) {
              const taskId = await client.submit("assistant", question);
              const end = await client.watch(taskId, AbortSignal.timeout(taskTimeoutMs));
              if (end.state !== "completed") throw new Error(`${end.state}: ${end.text}`);
              return { answer: end.text, steps: end.steps };
            },
            ...(urls.postgresUrl === undefined ? {} : { postgresUrl: urls.postgresUrl }),
            async stop() {
              await system.stop();
              await stopStorage();
            },
          };
        } catch (error) {
          await stopStorage();
          throw error;
        }
      },
    },
  };
}
