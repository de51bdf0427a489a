// node scripts/run.mjs <script.ts> [arguments]: any script of the checkout, from a bare clone.

import { ensureInstalled, execBun } from "./ensure-installed.mjs";

ensureInstalled();
execBun(process.argv.slice(2));
