/**
 * What the control plane has published: files named by their content, and one index that names those
 * which are in force. `control_plane/pages/storage.py` writes them, the index last.
 *
 * The index is read again after a second, so that a publication reaches visitors without a restart.
 * When it cannot be read the last good one stays. Files never change: what was read is kept.
 */

import type { Log } from "../../env/log.ts";

/** Reads one file: 200 with its body, or 404. Throws when it is not known whether it is there. */
export type PublishedSource = (name: string) => Promise<Response>;

/** A language pages are published in. */
export type Language = "en" | "zh";

/** A campaign's part of the index: names of files. */
export interface CampaignFiles {
  json: string;
  pages: Readonly<Record<Language, string>>;
}

const INDEX = "index.json";
export const INDEX_MAX_AGE_MS = 1_000;
/** Of the 128 MB that Cloudflare gives an isolate. A page has some 5 kB, a picture up to 200 kB. */
export const KEPT_MAX_BYTES = 16 * 1024 * 1024;
const CONTENT_NAME = /^[0-9a-f]{32}\.(?:html|json|webp)$/;

/**
 * The binding SLUICE_PUBLISHED: a disk service of workerd, or the static assets of Cloudflare. Both
 * are asked like an origin. Without it nothing is published.
 */
export function published_source(binding: unknown): PublishedSource {
  const service = binding as { fetch(url: string): Promise<Response> } | null | undefined;
  if (service === null || service === undefined) {
    return async () => new Response(null, { status: 404 });
  }
  return (name) => service.fetch(`http://published/${name}`);
}

/** Lives as long as the isolate. */
export class PublishedFiles {
  readonly #source: PublishedSource;
  readonly #clock: () => number;
  readonly #log: Log;
  readonly #kept = new Map<string, Uint8Array<ArrayBuffer>>();
  #kept_bytes = 0;
  #index: ReadonlyMap<string, CampaignFiles> | null = null;
  #read_ms = Number.NEGATIVE_INFINITY;

  constructor(source: PublishedSource, clock: () => number, log: Log) {
    this.#source = source;
    this.#clock = clock;
    this.#log = log;
  }

  /** The files of a campaign, null when there is none. Throws when no index was ever read. */
  async campaign(slug: string): Promise<CampaignFiles | null> {
    const now_ms = this.#clock();
    if (this.#index === null || now_ms - this.#read_ms >= INDEX_MAX_AGE_MS) {
      // Noted before the answer: while one visitor reads it the others use the last one. A promise
      // that they share would end for all of them when the visitor who began it leaves.
      this.#read_ms = now_ms;
      await this.#read_index();
    }
    return this.#index?.get(slug) ?? null;
  }

  /** A file's bytes, null when it is not there. Only names made of content are looked for. */
  async file(name: string): Promise<Uint8Array<ArrayBuffer> | null> {
    if (!CONTENT_NAME.test(name)) return null;
    const kept = this.#kept.get(name);
    if (kept !== undefined) {
      // Newest last: what was not asked for longest goes first.
      this.#kept.delete(name);
      this.#kept.set(name, kept);
      return kept;
    }
    const response = await this.#source(name);
    if (response.status === 404) return null;
    if (!response.ok) throw new Error(`${name}: status ${response.status}`);
    const body = new Uint8Array(await response.arrayBuffer());
    this.#keep(name, body);
    return body;
  }

  async #read_index(): Promise<void> {
    try {
      const response = await this.#source(INDEX);
      if (response.status === 404) {
        this.#index = new Map();
      } else {
        if (!response.ok) throw new Error(`status ${response.status}`);
        this.#index = campaigns_of(await response.json());
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#log("error", "published_index_unreadable", { reason });
      if (this.#index === null) throw error;
    }
  }

  #keep(name: string, body: Uint8Array<ArrayBuffer>): void {
    if (body.byteLength > KEPT_MAX_BYTES / 4 || this.#kept.has(name)) return;
    this.#kept.set(name, body);
    this.#kept_bytes += body.byteLength;
    for (const [oldest, { byteLength }] of this.#kept) {
      if (this.#kept_bytes <= KEPT_MAX_BYTES) return;
      this.#kept.delete(oldest);
      this.#kept_bytes -= byteLength;
    }
  }
}

/** Refuses the whole index when a field is wrong: half of one would take pages away. */
function campaigns_of(read: unknown): ReadonlyMap<string, CampaignFiles> {
  const { campaigns } = read as { campaigns: Record<string, CampaignFiles> };
  const found = new Map<string, CampaignFiles>();
  for (const [slug, { json, pages }] of Object.entries(campaigns)) {
    for (const name of [json, pages.en, pages.zh]) {
      if (!CONTENT_NAME.test(name)) throw new Error(`campaign ${slug} names ${name}`);
    }
    found.set(slug, { json, pages: { en: pages.en, zh: pages.zh } });
  }
  return found;
}
