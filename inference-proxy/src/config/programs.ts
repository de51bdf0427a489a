import { option } from "@warmpath/runtime/base";

/** Settings of attained service per program, part of the proxy's table of options. */
export const programSettings = {
  programsMax: option.int({
    env: "WARMPATH_PROXY_PROGRAMS_MAX",
    default: 10_000,
    min: 1,
    doc: "Programs (tasks, or sessions with their sub-agents) whose service is remembered; the one served longest ago is forgotten first.",
    why: "about 150 bytes each; who is forgotten counts as new",
  }),
  programDelayMsMax: option.int({
    env: "WARMPATH_PROXY_PROGRAM_DELAY_MS_MAX",
    default: 20_000,
    min: 0,
    unit: "ms",
    doc: "Longest time that calls of a program which had much service let later ones of the same tenant pass, while replicas are full; 0: first come first served.",
    why: "a third of the longest wait: short jobs end a third sooner at saturation, and long ones are not refused for it",
  }),
} as const;
