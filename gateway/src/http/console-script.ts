import { WarmpathError } from "@warmpath/runtime/base";

/** Where the console's page, styles and source are. */
export const consoleFolder = new URL("../console/", import.meta.url).pathname;

/**
 * The console's script as a browser takes it: `main.js` where an image was built with one, because
 * it has neither the source nor the packages; otherwise bundled now, which takes about 0.1 s.
 */
export async function consoleScript(): Promise<Uint8Array> {
  const prepared = Bun.file(`${consoleFolder}main.js`);
  if (await prepared.exists()) {
    return prepared.bytes();
  }
  const built = await Bun.build({
    entrypoints: [`${consoleFolder}main.tsx`],
    target: "browser",
    minify: true,
    jsx: { runtime: "automatic", importSource: "preact", development: false },
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const [script] = built.outputs;
  if (!built.success || script === undefined) {
    throw new WarmpathError(
      "failed-internal",
      `the console does not build: ${built.logs.join("; ")}`,
    );
  }
  return new Uint8Array(await script.arrayBuffer());
}
