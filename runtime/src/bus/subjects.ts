import { assert } from "../base/index.ts";

/**
 * The only place that spells bus subjects. The tenant comes first, so that permissions can be set
 * by it.
 */

const root = "warmpath";

/** Announcements of a running task: text deltas and recorded sequence numbers. */
export function liveSubject(tenant: string, taskId: string): string {
  return `${root}.live.${word(tenant)}.${word(taskId)}`;
}

/** "Look at your inbox", to the worker that runs the task. */
export function controlSubject(tenant: string, taskId: string): string {
  return `${root}.control.${word(tenant)}.${word(taskId)}`;
}

/** Control messages of all tasks, for a worker that runs many. */
export function controlSubjectOfAll(): string {
  return `${root}.control.*.*`;
}

/** A task ended; its parent and whoever waits for it may look. */
export function taskEndedSubject(tenant: string, taskId: string): string {
  return `${root}.ended.${word(tenant)}.${word(taskId)}`;
}

/** Ends of all tasks of a tenant. */
export function taskEndedSubjectOfTenant(tenant: string): string {
  return `${root}.ended.${word(tenant)}.*`;
}

/** Ends of all tasks. */
export function taskEndedSubjectOfAll(): string {
  return `${root}.ended.*.*`;
}

/** API keys were revoked or changed; the payload is the key id, caches forget it. */
export function keysRevokedSubject(): string {
  return `${root}.keys.revoked`;
}

/** The set of registered agents changed. */
export function agentsChangedSubject(): string {
  return `${root}.agents.changed`;
}

/** What inference proxies have booked, told to each other. */
export function proxyPeersSubject(): string {
  return `${root}.proxy.peers`;
}

/** Tasks are ready in a lane; whoever has room may claim one. */
export function workReadySubject(lane: string): string {
  return `${root}.work.${word(lane)}`;
}

/**
 * Ids and tenants are made of these, so a caller's text can never widen a subject with `*`, `>` or
 * a dot.
 */
function word(text: string): string {
  assert(
    /^[a-zA-Z0-9_-]{1,128}$/.test(text),
    `a subject's word is made of letters, digits, _ and -`,
  );
  return text;
}

/**
 * True when a subject falls under a pattern with `*` (one word) or a final `>` (one or more words).
 */
export function subjectMatches(pattern: readonly string[], subject: readonly string[]): boolean {
  for (let index = 0; index < pattern.length; index++) {
    if (pattern[index] === ">") {
      return subject.length > index;
    }
    if (index >= subject.length || (pattern[index] !== "*" && pattern[index] !== subject[index])) {
      return false;
    }
  }
  return pattern.length === subject.length;
}
