/**
 * `POST /demo/payments` {"reservation_id"}: the demo's shopper pays for his order. The session goes
 * along, and the control plane judges it: whose order it is stands there. Exists only where the demo
 * is switched on; elsewhere merchants send their shoppers to a payment provider.
 */

import { Hono } from "hono";
import type { Settings } from "../../env/settings.ts";
import { type OriginOptions, send_to_origin } from "../../pass_through/pass_through.ts";
import { method_not_allowed, Refusal } from "../../problem/problem.ts";

/** Mounts the route; answers `not_found` when the demo is off. */
export function demo_payment_route(
  settings: Pick<Settings, "demo" | "control_plane_url">,
  options: OriginOptions,
): Hono {
  return new Hono().all("/demo/payments", async (c) => {
    if (!settings.demo) throw new Refusal("not_found");
    if (c.req.method !== "POST") return method_not_allowed("POST");
    const url = `${settings.control_plane_url}/api/v1/demo/payments`;
    return send_to_origin(c.req.raw, url, options);
  });
}
