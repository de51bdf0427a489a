import { systemClock } from "@warmpath/runtime/base";
import { limitStoreContract } from "./limit-store.contract.ts";
import { createMemoryLimitStore } from "./memory-limit-store.ts";

limitStoreContract("memory", () => createMemoryLimitStore({ clock: systemClock }));
