import { readFileSync } from "node:fs";

/**
 * Whether a process runs. One that has ended and was not waited for (a zombie) does not, though it
 * has an id.
 */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, under another user.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
  try {
    // "pid (name) state …"; the name may hold anything, parentheses too.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.charAt(stat.lastIndexOf(")") + 2) !== "Z";
  } catch {
    // No /proc here: what has an id counts as running.
    return true;
  }
}
