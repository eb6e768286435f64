/** Where the worker's requests go out. */

import { CLOUDFLARE } from "./settings.ts";

/**
 * A `fetch` for the whole worker. Under workerd the network is private addresses alone and
 * `cloudflare`, the binding SLUICE_CLOUDFLARE, is the one service that leads out of it, to Turnstile.
 * On Cloudflare there is no such binding and none is needed.
 */
export function outbound(cloudflare: unknown): typeof fetch {
  const service = cloudflare as { fetch: typeof fetch } | null | undefined;
  return (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    if (service && new URL(url).origin === CLOUDFLARE) return service.fetch(input, init);
    // Called without a receiver, which the platform's own `fetch` does not allow everywhere.
    return fetch(input, init);
  };
}
