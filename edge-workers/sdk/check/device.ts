/**
 * The device's id: a hash of what the browser tells anyway, and a random part that is kept here.
 *
 * The hash alone would not do: two telephones of one make have the same, and limits and bans go by
 * the device. The random part alone would be gone with the storage, which is what a robot empties.
 */

import { load } from "@fingerprintjs/fingerprintjs";

const KEY = "sluice.device";
const KNOWN = /^[A-Za-z0-9_-]{8,64}$/;
/** Who waits longer for the hash does without: it is not worth a late entry. */
const HASH_MS = 1_500;
const RANDOM_BYTES = 12;

let found: Promise<string> | null = null;

/** 8 to 64 characters of A-Z a-z 0-9 _ -, the same for this browser until its storage is emptied. */
export function device_id(): Promise<string> {
  found ??= find();
  return found;
}

async function find(): Promise<string> {
  const known = read();
  if (known !== null) return known;
  const hash = await Promise.race([hashed(), after(HASH_MS)]).catch(() => null);
  // A second tab may have been quicker.
  const meanwhile = read();
  if (meanwhile !== null) return meanwhile;
  const random = random_part();
  const fresh = hash === null ? `r_${random}` : `f${hash}_${random}`;
  if (write(fresh)) return fresh;
  // Without storage a reload has to find the same device by its hash alone.
  return hash === null ? fresh : `f${hash}`;
}

/** 32 hexadecimal digits. `monitoring: false`: the library tells its makers nothing of the visit. */
async function hashed(): Promise<string> {
  const agent = await load({ monitoring: false });
  return (await agent.get()).visitorId;
}

const after = (ms: number) => new Promise<null>((resolve) => setTimeout(resolve, ms, null));

function random_part(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_");
}

function read(): string | null {
  try {
    const known = localStorage.getItem(KEY);
    return known !== null && KNOWN.test(known) ? known : null;
  } catch {
    return null; // storage may be forbidden
  }
}

function write(id: string): boolean {
  try {
    localStorage.setItem(KEY, id);
    return true;
  } catch {
    return false;
  }
}
