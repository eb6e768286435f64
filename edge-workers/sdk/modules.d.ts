/** What the build makes of files that are no TypeScript. */

declare module "*.css" {
  const text: string;
  export default text;
}

/** `sdk/check` when it is there, else a module without exports (`build.mjs`): see `human_check.ts`. */
declare module "sluice:check" {
  const exports: unknown;
  export default exports;
}
