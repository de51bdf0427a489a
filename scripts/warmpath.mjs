#!/usr/bin/env node
// The `warmpath` command: makes sure that the checkout is installed, then hands over to Bun.
import { fileURLToPath } from "node:url";
import { ensureInstalled, execBun } from "./ensure-installed.mjs";

await ensureInstalled();
await execBun([fileURLToPath(new URL("./warmpath.ts", import.meta.url)), ...process.argv.slice(2)]);
