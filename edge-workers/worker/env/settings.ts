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
  /** Whether the demo merchant's session endpoint is reachable through the edge. */
  demo: boolean;
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

/** Reads every binding. Throws `SettingsError` at the first that is missing or wrong. */
export function read_settings(env: Bindings): Settings {
  return {
    snapshot_key: secret(env, "SLUICE_SNAPSHOT_KEY"),
    internal_token: secret(env, "SLUICE_INTERNAL_TOKEN"),
    control_plane_url: origin(env, "SLUICE_CONTROL_PLANE_URL"),
    gateway_url: origin(env, "SLUICE_GATEWAY_URL"),
    gateway_canary_url: optional_origin(env, "SLUICE_GATEWAY_CANARY_URL"),
    demo: flag(env, "SLUICE_DEMO"),
  };
}
