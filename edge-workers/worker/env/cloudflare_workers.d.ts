/** The module through which workerd and Cloudflare hand bindings to code at load time. */
declare module "cloudflare:workers" {
  export const env: Readonly<Record<string, unknown>>;
}

/** Made by `build.mjs` out of `storefront/`, `pages/` and the SDK. */
declare module "sluice:storefront" {
  export const page_files: readonly import("../routes/pages/pages.ts").PageFile[];
  export const hashed_names: Readonly<Record<string, string>>;
}
