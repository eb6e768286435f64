/**
 * `POST /demo/sessions`: a shopper session of the demo merchant, so that the storefront can be
 * tried without a shop. Exists only where the demo is switched on; elsewhere merchants sign.
 */

import { Hono } from "hono";
import type { Settings } from "../../env/settings.ts";
import { type OriginOptions, send_to_origin } from "../../pass_through/pass_through.ts";
import { method_not_allowed, Refusal } from "../../problem/problem.ts";

/** Mounts the route; answers `not_found` when the demo is off. */
export function demo_session_route(
  settings: Pick<Settings, "demo" | "control_plane_url">,
  options: OriginOptions,
): Hono {
  return new Hono().all("/demo/sessions", async (c) => {
    if (!settings.demo) throw new Refusal("not_found");
    if (c.req.method !== "POST") return method_not_allowed("POST");
    const url = `${settings.control_plane_url}/api/v1/demo/sessions`;
    return send_to_origin(c.req.raw, url, options);
  });
}
