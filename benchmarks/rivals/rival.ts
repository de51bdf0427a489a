import type { StartedContender } from "../overhead/contenders.ts";

/** A program of somebody else that a request can go through. */
export interface Rival {
  readonly name: string;
  /** What it is, in a few words. */
  readonly what: string;
  /** Registry, package and pinned version. */
  readonly source: string;
  /** Looks for what was installed before; undefined when there is nothing that starts. */
  find(): Promise<Program | undefined>;
  /**
   * Installs the pinned package below `.deps/rivals`; throws an Error whose message is the reason.
   */
  install(): Promise<void>;
  /** Starts it in front of an upstream, on 127.0.0.1; resolves when it answers a chat request. */
  start(program: Program, upstreamUrl: string): Promise<StartedContender>;
}

/** An installed program. */
export interface Program {
  readonly path: string;
  /** As the program itself says. */
  readonly version: string;
}
