/** Where the browser keeps the key, and what it last saw of the upstream. */
const keyName = "warmpath.key";
const simulatedName = "warmpath.simulated";

/** The key entered or handed over earlier; empty when there is none. */
export function loadKey(): string {
  return localStorage.getItem(keyName) ?? "";
}

/** Keeps the key for the next visit; an empty one forgets it. */
export function saveKey(key: string): void {
  if (key === "") {
    localStorage.removeItem(keyName);
  } else {
    localStorage.setItem(keyName, key);
  }
}

/**
 * Takes the key of a link such as `/#key=…` and removes it from the address bar and the history.
 */
export function takeKeyFromAddress(): void {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (key !== null && key !== "") {
    saveKey(key);
    history.replaceState(null, "", location.pathname + location.search);
  }
}

/**
 * Whether the last answered step came from a simulated replica. Live text says only at its end
 * where it comes from; until then it is labelled by what came before.
 */
export function loadIsSimulated(): boolean {
  return localStorage.getItem(simulatedName) === "true";
}

/** See {@link loadIsSimulated}. */
export function saveIsSimulated(isSimulated: boolean): void {
  localStorage.setItem(simulatedName, String(isSimulated));
}
