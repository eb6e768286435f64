/** One purchase from the button to the order: session, entry, buy, then asking until it is final. */

import { type Answer, ask } from "./api.ts";
import { NEWS_TONES, type News } from "./messages.ts";

/** Tells the shopper something; `order` once there is one. */
export type Tell = (news: News, order?: string) => void;

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

/** Waits; tests pass one that does not. */
export type Pause = (ms: number) => Promise<void>;
const pause_for: Pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const as_news = (code: string): News => (code in NEWS_TONES ? (code as News) : "busy");

/** What a repeated purchase says: after sell-out only the stock knows whether the first one won. */
const AGAIN = { "purchase-retry": "1" };

/** A request, told whether it is a repeated one. */
type Request = (is_repeated: boolean) => Promise<Answer>;

/** Repeats a request while the refusal is a passing one. Every step is safe to repeat. */
async function insist(request: Request, tell: Tell, pause: Pause): Promise<Answer> {
  let answer = await request(false);
  for (let tried = 1; tried < TRIES && passes(answer); tried += 1) {
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
  const tell: Tell = (news, order) => {
    last = news;
    tell_page(news, order);
  };
  tell("entering");
  const { shopper, device } = visitor;
  const demo = await insist(() => ask("/demo/sessions", null, { shopper }), tell, pause);
  if (!demo.ok) {
    tell(demo.code === "not_found" ? "no_demo" : as_news(demo.code));
    return last;
  }
  const session = String(demo.body.session);
  const door = `/v1/items/${item}/entry`;
  const entry = await insist(() => ask(door, session, { device }), tell, pause);
  if (!entry.ok) {
    tell(as_news(entry.code));
    return last;
  }
  const token = String(entry.body.entry_token);
  tell("buying");
  const buy_url = String(entry.body.buy_url);
  const bought = await insist(
    (is_repeated) => ask(buy_url, token, { qty: 1 }, is_repeated ? AGAIN : {}),
    tell,
    pause,
  );
  tell(as_news(bought.code));
  if (bought.ok) await follow(String(bought.body.status_url), token, tell, pause);
  return last;
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
