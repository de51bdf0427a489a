import { dlopen } from "bun:ffi";
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";

/**
 * An exclusive lock on a file, held by this process until it dies: the kernel drops it at any
 * death, `kill -9` included, so there is no stale lock to judge and no process id to mistake. The
 * file names the holder for people.
 */
export interface FileLock {
  release(): void;
}

/** LOCK_EX | LOCK_NB of flock(2), the same numbers on Linux and macOS. */
const exclusiveNonBlocking = 2 | 4;

/** Takes the lock, or returns the process id that its holder wrote (0: not readable). */
export function tryLockFile(path: string, holderPid: number): FileLock | { holderPid: number } {
  // "a+" creates without truncating: the holder's number must stay readable when the lock is
  // refused.
  const descriptor = openSync(path, "a+", 0o600);
  if (flock()(descriptor, exclusiveNonBlocking) !== 0) {
    const text = readFileSync(path, "utf8");
    closeSync(descriptor);
    return { holderPid: Number.parseInt(text, 10) || 0 };
  }
  ftruncateSync(descriptor, 0);
  writeSync(descriptor, `${holderPid}\n`);
  return { release: () => closeSync(descriptor) };
}

type Flock = (descriptor: number, operation: number) => number;

const libraries =
  process.platform === "darwin"
    ? ["libSystem.B.dylib"]
    : ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];

/** `flock` of the C library; neither Bun nor Node offers it. */
function flock(): Flock {
  for (const library of libraries) {
    try {
      const { symbols } = dlopen(library, { flock: { args: ["i32", "i32"], returns: "i32" } });
      return symbols.flock;
    } catch {
      // Another C library: the next name.
    }
  }
  throw new Error(`flock was found in none of ${libraries.join(", ")}`);
}
