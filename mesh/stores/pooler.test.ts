/**
 * Goal: the record bears a pooler in transaction mode, with what README.md says to it. Method: a real
 * PgBouncer before a real PostgreSQL; two servers' connections for eight of ours, so that no two
 * statements of a client are sure to meet the same session. Skipped, with the reason printed, where
 * either is missing.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@warmpath/runtime/base";
import { createPool, openStore } from "@warmpath/state";
import { createDatabase } from "../../e2e/database.ts";
