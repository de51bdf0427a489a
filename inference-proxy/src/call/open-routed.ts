import type { CancelSignal } from "@warmpath/runtime/base";
import {
  followRoute,
  type RequestTraits,
  type Router,
  type RouteStep,
} from "../providers/route/index.ts";
import type { OpenCall } from "./end-call.ts";
import { createLimitTab } from "./limit-tab.ts";
import type { Models } from "./models.ts";
import { type CallFault, type CallMeans, openCall } from "./open-call.ts";
import type { CallRequest } from "./types.ts";

/** A request before it is known which model serves it. */
export interface Routable {
  readonly requestId: string;
  /** The model or tier that the caller named; empty when it named none. */
  readonly asked: string;
  readonly signal: CancelSignal;
  /** Asked for only where there is a table of routes. */
  traits(): RequestTraits;
  requestFor(model: string): CallRequest;
}

/** A call, the model that serves it, and how that came about. */
export interface RoutedCall {
  readonly call: OpenCall | CallFault;
  readonly model: string;
  /** For people; undefined where the caller's own choice was followed. */
  readonly reason: string | undefined;
  /** The model that was asked for, where the one declared for its outage stands in. */
  readonly standsInFor?: string;
}

/**
 * Opens a call at the model that the table of routes says, or at the one that was asked for. The
 * models of a route are tried while nothing was sent: what comes after that is `openCall`'s.
 */
export function openRouted(means: RoutedMeans, request: Routable): Promise<RoutedCall> {
  const { router } = means.call;
  return router === undefined ? openAsked(means, request) : openByTable(means, request, router);
}

interface RoutedMeans {
  readonly call: CallMeans;
  readonly models: Models;
}

async function openByTable(
  means: RoutedMeans,
  request: Routable,
  router: Router,
): Promise<RoutedCall> {
  const traits = request.traits();
  const route = router.routeOf(traits);
  if (route === undefined) {
    return await openAsked(means, request);
  }
  const tab = createLimitTab();
  const { call, step } = await followRoute(router, route, {
    signal: request.signal,
    open: ({ model, waitMs }) =>
      openCall(means.call, {
        ...request.requestFor(model),
        tab,
        ...(waitMs === undefined ? {} : { queueWaitMsMax: waitMs }),
      }),
  }).finally(() => tab.close());
  router.noteServed(traits.session, step.model);
  note(means.call, request, route.rule, step);
  return { call, model: step.model, reason: `rule ${route.rule}, ${step.kind}: ${step.reason}` };
}

/** At the model that was asked for, or at the one that stands in while it is out. */
async function openAsked(means: RoutedMeans, request: Routable): Promise<RoutedCall> {
  const asked = means.models.resolve(request.asked);
  const { failover } = means.call;
  if (failover === undefined) {
    const call = await openCall(means.call, request.requestFor(asked));
    return { call, model: asked, reason: undefined };
  }
  const tab = createLimitTab();
  const openAt = (model: string) => openCall(means.call, { ...request.requestFor(model), tab });
  const { call, model } = await failover
    .open(asked, openAt, request.signal)
    .finally(() => tab.close());
  return {
    call,
    model,
    reason: undefined,
    ...(model === asked ? undefined : { standsInFor: asked }),
  };
}

function note(
  { log, metrics }: CallMeans,
  { requestId, asked }: Routable,
  rule: string,
  { model, kind, reason }: RouteStep,
): void {
  metrics.routes.inc({ rule, model, kind });
  log.info("request routed", { request_id: requestId, asked, rule, model, kind, reason });
}
