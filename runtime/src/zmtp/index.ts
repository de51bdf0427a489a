/** ZeroMQ's wire protocol, as far as event streams need it: ZMTP 3.0 with the NULL mechanism. */
export type { ZmtpOptions } from "./attach.ts";
export { createDealer, type Dealer, type DealerOptions } from "./dealer.ts";
export { ZmtpFault, type ZmtpFaultKind } from "./fault.ts";
export { defaultZmtpLimits, type ZmtpLimits } from "./limits.ts";
export { createPublisher, type Publisher, type PublisherOptions } from "./publisher.ts";
export { createRouter, type PeerId, type Router, type RouterOptions } from "./router.ts";
export { createSubscriber, type Subscriber, type SubscriberOptions } from "./subscriber.ts";
