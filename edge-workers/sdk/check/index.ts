/** The human check of `<flash-sale>`, loaded when it is needed. */

export { device_id } from "./device.ts";
export { type Answer, CheckUnavailable, type SolveArgs, solve } from "./solve.ts";
export { watch } from "./watch.ts";
