import { exitWhenParentCloses } from "../child.ts";

/** What `child.test.ts` starts: says that it is ready, then obeys its argument. */
const [mode = "stay"] = process.argv.slice(2);

if (mode === "die") {
  console.error("cannot find my keys");
  process.exit(3);
}
if (mode === "stubborn") {
  setInterval(() => undefined, 1000);
} else {
  exitWhenParentCloses(() => console.log("winding down"));
}
console.log(`ready ${process.env["SHOWN"] ?? ""}${process.env["HOME"] ?? ""}`);
if (mode === "parent") {
  // A grandchild whose only tie is the pipe.
  const { spawnChild } = await import("../child.ts");
  const child = await spawnChild({ script: process.argv[1] ?? "" });
  await child.ready;
  console.log(String(child.pid));
}
