/** One purchase from the button to the order: session, entry, buy, then asking until it is final. */

import { type Answer, ask } from "./api.ts";
import { NEWS_TONES, type News } from "./messages.ts";

/** Tells the shopper something; `detail`: the order's number, or how many are before him. */
export type Tell = (news: News, detail?: string) => void;

export interface Visitor {
  shopper: string;
  device: string;
}

/** Refusals that time heals. Everything else is final until the shopper acts. */
const PASSING: ReadonlySet<string> = new Set(["busy", "rate_limited", "offline", "not_started"]);
const passes = ({ ok, code }: Answer) => PASSING.has(code) || (!ok && !(code in NEWS_TONES));
const UNDECIDED: ReadonlySet<string> = new Set(["reserved", "pending", "queued", ...PASSING]);
const TRIES = 20;
const STATUS_TRIES = 120;
/** The server says when to ask again, at most every 0.3 s; the end of the sale ends the queue. */
const QUEUE_TRIES = 5000;

/** Waits; tests pass one that does not. */
export type Pause = (ms: number) => Promise<void>;
const pause_for: Pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const as_news = (code: string): News => (code in NEWS_TONES ? (code as News) : "busy");

/** What a repeated purchase says: after sell-out only the stock knows whether the first one won. */
const AGAIN = { "purchase-retry": "1" };

/** Asks for an entry token, with the patience of `insist`. */
type Enter = (tries?: number) => Promise<Answer>;

/** A request, told whether it is a repeated one. */
type Request = (is_repeated: boolean) => Promise<Answer>;

/** Repeats a request while the refusal is a passing one. Every step is safe to repeat. */
async function insist(
  request: Request,
  tell: Tell,
  pause: Pause,
  tries: number = TRIES,
): Promise<Answer> {
  let answer = await request(false);
  for (let tried = 1; tried < tries && passes(answer); tried += 1) {
    tell(as_news(answer.code));
    await pause(answer.retry_after_ms);
    answer = await request(true);
  }
  return answer;
}

/** Buys one unit of an item; resolves to the last thing that was told. */
export async function buy(
  item: number,
  visitor: Visitor,
  tell_page: Tell,
  pause: Pause = pause_for,
): Promise<News> {
  let last: News = "entering";
  const tell: Tell = (news, detail) => {
    last = news;
    tell_page(news, detail);
  };
  tell("entering");
  const { shopper, device } = visitor;
  const demo = await insist(() => ask("/demo/sessions", null, { shopper }), tell, pause);
  if (!demo.ok) {
    tell(demo.code === "not_found" ? "no_demo" : as_news(demo.code));
    return last;
  }
  const session = String(demo.body.session);
  const enter: Enter = (tries) =>
    insist(() => ask(`/v1/items/${item}/entry`, session, { device }), tell, pause, tries);
  const entry = await enter();
  if (!entry.ok) {
    tell(as_news(entry.code));
    return last;
  }
  tell("buying");
  const [bought, token] = await buy_in_turn(entry, enter, tell, pause);
  tell(as_news(bought.code));
  if (bought.ok && bought.body.status_url !== undefined) {
    await follow(String(bought.body.status_url), token, tell, pause);
  }
  return last;
}

/**
 * Buys, with the ticket of the answer before while the answer is a place in the queue. A place
 * outlives the entry token, so who waits longer than that enters again and keeps it. Resolves to
 * the answer that ends the waiting, and the token it was given to.
 */
async function buy_in_turn(
  first_entry: Answer,
  enter: Enter,
  tell: Tell,
  pause: Pause,
): Promise<[Answer, string]> {
  let entry = first_entry;
  let wish: { qty: number; ticket?: string } = { qty: 1 };
  let is_new = true;
  let tries = TRIES;
  for (let tried = 1; ; tried += 1) {
    const token = String(entry.body.entry_token);
    const buy_url = String(entry.body.buy_url);
    const answer = await insist(
      (is_repeated) => ask(buy_url, token, wish, is_repeated ? AGAIN : {}),
      tell,
      pause,
      tries,
    );
    if (tried === QUEUE_TRIES) return [answer, token];
    if (answer.code === "bad_token" && !is_new) {
      entry = await enter(tries);
      if (!entry.ok) return [entry, token];
      is_new = true;
      continue;
    }
    if (answer.code !== "queued") return [answer, token];
    is_new = false;
    // Whoever gives up now loses a place; what passes does not make it worth less.
    tries = Number.POSITIVE_INFINITY;
    wish = { qty: 1, ticket: String(answer.body.ticket) };
    const { place } = answer.body;
    if (place === undefined) tell("queued");
    else tell("in_line", String(place));
    await pause(answer.retry_after_ms);
  }
}

/** Asks for the reservation until it is decided. A gap in the connection changes nothing. */
async function follow(status_url: string, token: string, tell: Tell, pause: Pause): Promise<void> {
  for (let tried = 0; tried < STATUS_TRIES; tried += 1) {
    const status = await ask(status_url, token);
    const order = status.body.order;
    tell(as_news(status.code), order === undefined ? undefined : String(order));
    if (!UNDECIDED.has(status.code)) return;
    await pause(status.retry_after_ms);
  }
}
