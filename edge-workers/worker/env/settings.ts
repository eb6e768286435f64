/**
 * The worker's bindings, read and checked in this one file.
 *
 * A wrong value throws `SettingsError` naming the variable. `index.ts` reads the settings while the
 * module is being loaded, so `workerd serve` prints the message and exits, and Cloudflare refuses
 * the upload; no request is ever served with a guessed value.
 */

/** What the worker needs from its surroundings. Addresses are origins without a trailing slash. */
export interface Settings {
  /** MAC key of the snapshot channel; its bytes are the UTF-8 of the string. */
  snapshot_key: string;
  /** Bearer token of `/internal/*` at the control plane. */
  internal_token: string;
  control_plane_url: string;
  gateway_url: string;
  /** A second pool of gateways, for a share of the visitors; null when there is none. */
  gateway_canary_url: string | null;
  /** What the human check's questions are signed and sealed with; the same in every isolate. */
  check_key: string;
  /** Cloudflare Turnstile in place of the proof of work; null without its keys. */
  turnstile: TurnstileSettings | null;
  /** A limiter of the platform, asked besides our own; null where there is none. */
  limiter: PlatformLimiter | null;
  /** What this edge is called in the switch console. */
  instance: string;
  /** A receiver of OTLP/HTTP; null: what is followed is told to nobody. */
  otlp_url: string | null;
  /** With it Prometheus reads this isolate's figures; null: nobody does. */
  monitoring_token: string | null;
  /** Whether the demo merchant's session endpoint is reachable through the edge. */
  demo: boolean;
}

/** `site_key` goes into the page; with `secret` the edge asks `siteverify_url` about an answer. */
export interface TurnstileSettings {
  site_key: string;
  secret: string;
  siteverify_url: string;
}

/** Cloudflare's rate-limit binding: one count for a whole location, where an isolate has its own. */
export interface PlatformLimiter {
  limit(options: { key: string }): Promise<{ success: boolean }>;
}

/** A binding is missing or wrong; `message` names it. */
export class SettingsError extends Error {
  override name = "SettingsError";
}

type Bindings = Readonly<Record<string, unknown>>;

/** Shorter secrets are typing mistakes or guessable. The same for gateway and control plane. */
const SECRET_MIN_CHARS = 32;

function text(env: Bindings, name: string): string {
  const value = env[name];
  // workerd's `fromEnvironment` binds null when the variable is not set.
  if (value === null || value === undefined || value === "") {
    throw new SettingsError(`${name} is not set`);
  }
  if (typeof value !== "string") throw new SettingsError(`${name} must be text`);
  return value;
}

function secret(env: Bindings, name: string): string {
  const value = text(env, name);
  if (value.length < SECRET_MIN_CHARS) {
    throw new SettingsError(`${name} must have at least ${SECRET_MIN_CHARS} characters`);
  }
  return value;
}

function origin(env: Bindings, name: string): string {
  const value = text(env, name);
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    throw new SettingsError(`${name} is not a URL: ${JSON.stringify(value)}`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new SettingsError(`${name} must start with http:// or https://`);
  }
  const bare = url.pathname === "/" && !url.search && !url.hash && !url.username && !url.password;
  if (!bare) {
    throw new SettingsError(`${name} must be an origin only, such as http://127.0.0.1:8080`);
  }
  return url.origin;
}

function optional_origin(env: Bindings, name: string): string | null {
  const value = env[name];
  return value === null || value === undefined || value === "" ? null : origin(env, name);
}

function flag(env: Bindings, name: string): boolean {
  const value = env[name];
  if (value === null || value === undefined || value === "" || value === "0") return false;
  if (value === "1") return true;
  throw new SettingsError(`${name} must be 0 or 1, not ${JSON.stringify(value)}`);
}

/** Where Turnstile is: its script, its frame, and who judges its answers. */
export const CLOUDFLARE = "https://challenges.cloudflare.com";
const SITEVERIFY_URL = `${CLOUDFLARE}/turnstile/v0/siteverify`;

/** Both keys or none: half a provider would let everybody in or nobody. */
function turnstile(env: Bindings): TurnstileSettings | null {
  const names = ["SLUICE_TURNSTILE_SITE_KEY", "SLUICE_TURNSTILE_SECRET"] as const;
  if (names.every((name) => !env[name])) return null;
  const [site_key, key] = names.map((name) => text(env, name)) as [string, string];
  const address = env.SLUICE_TURNSTILE_URL;
  const siteverify_url = address ? String(address) : SITEVERIFY_URL;
  if (!URL.canParse(siteverify_url)) throw new SettingsError("SLUICE_TURNSTILE_URL is not a URL");
  return { site_key, secret: key, siteverify_url };
}

function limiter(env: Bindings): PlatformLimiter | null {
  const value = env.SLUICE_ENTRY_LIMITER as PlatformLimiter | null | undefined;
  if (value === null || value === undefined) return null;
  if (typeof value !== "object" || typeof value.limit !== "function") {
    throw new SettingsError("SLUICE_ENTRY_LIMITER must be a rate-limit binding");
  }
  return value;
}

const INSTANCE = /^[A-Za-z0-9._:-]{1,48}$/;

function instance(env: Bindings): string {
  const value = env.SLUICE_EDGE_INSTANCE || "edge";
  if (typeof value !== "string" || !INSTANCE.test(value)) {
    throw new SettingsError("SLUICE_EDGE_INSTANCE must match [A-Za-z0-9._:-]{1,48}");
  }
  return value;
}

/** Reads every binding. Throws `SettingsError` at the first that is missing or wrong. */
export function read_settings(env: Bindings): Settings {
  return {
    snapshot_key: secret(env, "SLUICE_SNAPSHOT_KEY"),
    internal_token: secret(env, "SLUICE_INTERNAL_TOKEN"),
    control_plane_url: origin(env, "SLUICE_CONTROL_PLANE_URL"),
    gateway_url: origin(env, "SLUICE_GATEWAY_URL"),
    gateway_canary_url: optional_origin(env, "SLUICE_GATEWAY_CANARY_URL"),
    check_key: secret(env, "SLUICE_CHECK_KEY"),
    turnstile: turnstile(env),
    limiter: limiter(env),
    instance: instance(env),
    otlp_url: optional_origin(env, "SLUICE_OTLP_URL"),
    monitoring_token: env.SLUICE_MONITORING_TOKEN ? secret(env, "SLUICE_MONITORING_TOKEN") : null,
    demo: flag(env, "SLUICE_DEMO"),
  };
}
