// npm start: all layers in one process.

import { join } from "node:path";
import { ensureInstalled, execBun, root } from "./ensure-installed.mjs";

ensureInstalled();
execBun([join(root, "scripts/warmpath.ts"), "up", ...process.argv.slice(2)]);
