/** Numbers and times, as the reader's language has them. */

import { MESSAGES, type Messages } from "./messages.ts";

export class Words {
  readonly text: Messages;
  readonly locale: string;
  readonly #whole: Intl.NumberFormat;
  readonly #part: Intl.NumberFormat;
  readonly #clock: Intl.DateTimeFormat;

  constructor(language: string) {
    const is_chinese = language.toLowerCase().startsWith("zh");
    this.locale = is_chinese ? "zh-CN" : "en-GB";
    this.text = is_chinese ? MESSAGES.zh : MESSAGES.en;
    this.#whole = new Intl.NumberFormat(this.locale, { maximumFractionDigits: 0 });
    this.#part = new Intl.NumberFormat(this.locale, { maximumFractionDigits: 1 });
    this.#clock = new Intl.DateTimeFormat(this.locale, { timeStyle: "medium" });
  }

  /** A count; a dash for what nobody knows. */
  count(value: number | null | undefined): string {
    return value === null || value === undefined ? "–" : this.#whole.format(value);
  }

  /** A value a second: with a decimal below ten, where it matters. */
  rate(value: number | null | undefined): string {
    if (value === null || value === undefined) return "–";
    return value < 10 ? this.#part.format(value) : this.#whole.format(value);
  }

  /** Seconds as milliseconds or seconds, whichever is read more easily. */
  latency(seconds: number | null | undefined): string {
    if (seconds === null || seconds === undefined) return "–";
    return seconds < 1
      ? `${this.#whole.format(seconds * 1000)} ms`
      : `${this.#part.format(seconds)} s`;
  }

  /** The time of day. */
  clock(at_ms: number): string {
    return this.#clock.format(at_ms);
  }

  /** `1:02:03`, `02:03`; never below zero. */
  span(ms: number): string {
    const seconds = Math.max(0, Math.ceil(ms / 1000));
    const two = (value: number) => String(value).padStart(2, "0");
    const hours = Math.floor(seconds / 3600);
    const rest = `${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
    return hours > 0 ? `${hours}:${rest}` : rest;
  }
}
