// npm test: everything that proves the system, see scripts/test.ts.

import { join } from "node:path";
import { ensureInstalled, execBun, root } from "./ensure-installed.mjs";

ensureInstalled();
execBun([join(root, "scripts/test.ts"), ...process.argv.slice(2)]);
