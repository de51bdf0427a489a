import { createHmac, timingSafeEqual } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { PrincipalSchema } from "@warmpath/proto/common";
import { assert, type Clock, WarmpathError } from "./base/index.ts";
import { clockSkewMs, principalCharsMax, principalLifeMs } from "./rpc/limits.ts";

/** On whose behalf a call is made. */
export interface Principal {
  /** Who pays; the boundary that nothing crosses. */
  readonly tenant: string;
  /** Who asks, within the tenant. */
  readonly user: string;
  /** The API key they asked with; empty for a service acting for itself. */
  readonly keyId: string;
  /** The agents acting for them, outermost first. */
  readonly agentChain: readonly string[];
}

/** Signs principals for the wire and believes only those that one of its keys signed. */
export interface PrincipalSigner {
  sign(principal: Principal): string;
  /**
   * Throws `rejected-unsigned` for anything altered, expired, malformed or signed by a stranger.
   */
  verify(text: string): Principal;
}

/** Metadata key under which the signed principal travels. */
export const principalHeader = "warmpath-principal";

/** The tenant under which services act for themselves; no customer can have it. */
export const systemTenant = "system";

/** A key shorter than this can be guessed. */
export const principalKeyCharsMin = 16;
const keysMax = 8;
const tenantPattern = /^[a-z0-9_]{1,64}$/;
const version = "v1";
const expiryBytes = 8;

/**
 * The first key signs and all of them verify, so a new key is added behind the old one everywhere,
 * then moved to the front, then the old one is dropped. Form: `v1.<base64url of expiry and
 * protobuf>.<base64url of HMAC-SHA256>`.
 */
export function createPrincipalSigner(keys: readonly string[], clock: Clock): PrincipalSigner {
  const [signingKey] = keys;
  assert(signingKey !== undefined && keys.length <= keysMax, `give 1 to ${keysMax} signing keys`);
  assert(
    keys.every((key) => key.length >= principalKeyCharsMin),
    `a key has ${principalKeyCharsMin}+ characters`,
  );
  return {
    sign(principal) {
      assert(tenantPattern.test(principal.tenant), `tenant must match ${tenantPattern}`);
      const body = toBinary(PrincipalSchema, create(PrincipalSchema, principalInit(principal)));
      const payload = Buffer.alloc(expiryBytes + body.byteLength);
      payload.writeBigUInt64BE(BigInt(Math.round(clock.nowMs() + principalLifeMs)), 0);
      payload.set(body, expiryBytes);
      const mac = macOf(signingKey, payload).toString("base64url");
      return `${version}.${payload.toString("base64url")}.${mac}`;
    },
    verify(text) {
      const [head, payloadText, macText, ...rest] = text.split(".");
      const wellFormed = head === version && payloadText && macText && rest.length === 0;
      if (!wellFormed || text.length > principalCharsMax) {
        throw new WarmpathError("rejected-unsigned", "the principal is not in a known form");
      }
      const payload = Buffer.from(payloadText, "base64url");
      const mac = Buffer.from(macText, "base64url");
      if (!keys.some((key) => equalInConstantTime(macOf(key, payload), mac))) {
        throw new WarmpathError("rejected-unsigned", "the principal's signature is not ours");
      }
      if (Number(payload.readBigUInt64BE(0)) + clockSkewMs < clock.nowMs()) {
        throw new WarmpathError("rejected-unsigned", "the principal's signature has expired");
      }
      const message = fromBinary(PrincipalSchema, payload.subarray(expiryBytes));
      const { tenant, user, keyId, agentChain } = message;
      return { tenant, user, keyId, agentChain };
    },
  };
}

function principalInit({ tenant, user, keyId, agentChain }: Principal) {
  return { tenant, user, keyId, agentChain: [...agentChain] };
}

function macOf(key: string, payload: Uint8Array): Buffer {
  return createHmac("sha256", key).update(payload).digest();
}

function equalInConstantTime(a: Buffer, b: Buffer): boolean {
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}

/** The principal of a service that acts for itself, such as a sweeper. */
export function servicePrincipal(service: string): Principal {
  return { tenant: systemTenant, user: service, keyId: "", agentChain: [] };
}
