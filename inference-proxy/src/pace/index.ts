/** How fast a key may go. */
export { createKeyPaces, type KeyPaces } from "./key-paces.ts";
export { fullBucket, reserve, settle } from "./token-bucket.ts";
export type { Bucket, KeyRates, Rate, Reservation, Reserved } from "./types.ts";
