/**
 * The 64 bytes that each side of a ZMTP 3 connection sends first: signature, version, mechanism,
 * role, filler (RFC 23, section "The Greeting").
 */
import { ZmtpFault } from "./fault.ts";

/** Length of a greeting. */
export const greetingBytes = 64;

const mechanismOffset = 12;
const mechanismBytes = 20;
const ourMechanism = "NULL";

/** What both sides say: ZMTP 3.0 with the NULL mechanism, which has no client and no server. */
export function encodeGreeting(): Uint8Array {
  const greeting = new Uint8Array(greetingBytes);
  greeting[0] = 0xff;
  greeting[9] = 0x7f;
  greeting[10] = 3;
  greeting.set(new TextEncoder().encode(ourMechanism), mechanismOffset);
  return greeting;
}

/**
 * Judges the first `greeting.length` bytes of a greeting as soon as they can be judged, so that a
 * peer of another kind is told apart by its first byte. Throws {@link ZmtpFault}.
 */
export function checkGreeting(greeting: Uint8Array): void {
  const length = greeting.length;
  if (length >= 1 && greeting[0] !== 0xff) {
    throw new ZmtpFault("not-zmtp", "the peer does not speak ZMTP 3: no signature");
  }
  if (length >= 10 && (greeting[9]! & 0x01) === 0) {
    throw new ZmtpFault("not-zmtp", "the peer does not speak ZMTP 3: its signature is cut");
  }
  if (length >= 11 && greeting[10]! < 3) {
    // ZMTP 2.0 wrote its version as 1.
    throw new ZmtpFault("not-zmtp", `the peer speaks version ${greeting[10]}, and 3 is needed`);
  }
  if (length < mechanismOffset + mechanismBytes) return;
  const name = greeting.subarray(mechanismOffset, mechanismOffset + mechanismBytes);
  const mechanism = new TextDecoder("latin1").decode(name).replace(/\0+$/, "");
  if (mechanism !== ourMechanism) {
    const quoted = JSON.stringify(mechanism);
    throw new ZmtpFault("mechanism", `the peer wants the mechanism ${quoted}; only NULL is spoken`);
  }
}
