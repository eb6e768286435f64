/** Cloudflare Turnstile as the provider of the human check. */

import type { TurnstileSettings } from "../env/settings.ts";
import { busy } from "../problem/problem.ts";
import { base64url } from "../tokens/compact.ts";
import type { Bound } from "./bound.ts";

const TIMEOUT_MS = 3_000;
/** Cloudflare's own limit for an answer. */
export const TOKEN_MAX_CHARS = 2_048;

export interface TurnstileOptions {
  settings: TurnstileSettings;
  fetch: typeof fetch;
  random: () => number;
}

/** What the widget is given as `action` and `cData`; Cloudflare's verdict repeats both. */
export interface TurnstileBinding {
  action: string;
  cdata: string;
}

/** Binds an answer to item, shopper and device, without telling Cloudflare who the shopper is. */
export async function turnstile_binding({
  item,
  shopper,
  device,
}: Bound): Promise<TurnstileBinding> {
  const whom = new TextEncoder().encode(JSON.stringify([item, shopper, device]));
  const digest = await crypto.subtle.digest("SHA-256", whom);
  return { action: `item-${item}`, cdata: base64url(new Uint8Array(digest)) };
}

/**
 * Asks Cloudflare about an answer; false when it is wrong, used, expired or somebody else's. Throws
 * `busy` when Cloudflare does not answer: unknown is not no, and an outage is no reason to let
 * everybody in. The operator has the switch `human_check` for that.
 */
export async function accept_turnstile(
  token: string,
  bound: Bound,
  address: string | null,
  { settings, fetch, random }: TurnstileOptions,
): Promise<boolean> {
  const form = new URLSearchParams({ secret: settings.secret, response: token });
  if (address !== null) form.set("remoteip", address);
  let answer: { success?: unknown; action?: unknown; cdata?: unknown };
  try {
    const response = await fetch(settings.siteverify_url, {
      method: "POST",
      body: form,
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.status !== 200) throw new Error(`siteverify answered ${response.status}`);
    answer = (await response.json()) as typeof answer;
  } catch {
    throw busy(random, "the human check is not answering");
  }
  const { action, cdata } = await turnstile_binding(bound);
  return answer.success === true && answer.action === action && answer.cdata === cdata;
}
