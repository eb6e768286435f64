/** What a screen reader hears: each state once, why it stops, and a place now and then. */

import type { View } from "./view.ts";

/** A place is spoken when it has halved: a line that moves three times a second is noise. */
const SPEAK_SHARE = 0.5;

export class Speech {
  readonly #order: string;
  #spoke = { text: "", news: "", share: 0 };

  /** `order`: the word before an order's number. */
  constructor(order: string) {
    this.#order = order;
  }

  /** What is to be spoken of a view: the same as before when it has no news. */
  text({ state, headline, sentence, queue, order }: View): string {
    const share = 1 - (queue?.share ?? 0);
    // The sentence too: in a line nothing else says that the connection is gone.
    const news = [state, headline, sentence].join(" ");
    const is_same = news === this.#spoke.news && queue !== null;
    if (is_same && share > this.#spoke.share * SPEAK_SHARE) return this.#spoke.text;
    const place = queue?.place ? `${queue.place}. ${queue.eta}` : "";
    const number = order === null ? "" : `${this.#order} ${order.number}`;
    const text = [headline, sentence, place, number].filter(Boolean).join(" ");
    this.#spoke = { text, news, share };
    return text;
  }
}
