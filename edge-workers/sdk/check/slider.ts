/**
 * The puzzle: a range input below a picture, so that keyboard and screen reader work as with every
 * slider, and a way without the picture. The right place is known to the edge alone.
 */

import type { SliderAnswer, SliderQuestion } from "../../shared/slider.ts";
import { type Lang, say } from "./messages.ts";
import { sheet } from "./slider_style.ts";
import { work_on } from "./work.ts";

interface Picture {
  background: ImageBitmap;
  piece: ImageBitmap;
}

/** PNG from base64. Not by `<img>`: a page's policy may forbid images from data. */
async function image(encoded: string): Promise<ImageBitmap> {
  const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  return createImageBitmap(new Blob([bytes], { type: "image/png" }));
}

function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<HTMLElementTagNameMap[Name]>,
): HTMLElementTagNameMap[Name] {
  return Object.assign(document.createElement(name), properties);
}

function draw(canvas: HTMLCanvasElement, picture: Picture, x: number, y: number): void {
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.drawImage(picture.background, 0, 0);
  context.shadowColor = "rgb(0 0 0 / 70%)";
  context.shadowBlur = 4;
  context.drawImage(picture.piece, x, y);
  context.shadowBlur = 0;
}

/** A browser's timers may be early, and an answer before its time is a try. */
const LATER_MS = 1000;
/** Whether the visitor was at the puzzle before: a new one must not fetch him from elsewhere. */
let was_at_it = true;

/** Everything that is shown; the caller listens to it. */
function build(lang: Lang, width: number, picture: Picture) {
  const most = width - picture.piece.width;
  const canvas = element("canvas", { width, height: picture.background.height });
  canvas.setAttribute("aria-hidden", "true");
  const range = element("input", { type: "range", min: "0", max: String(most), value: "0" });
  range.setAttribute("aria-label", say(lang, "slider"));
  range.setAttribute("aria-describedby", "explain renewed");
  const form = element("form", { className: "check", lang: lang === "zh" ? "zh-Hans" : "en" });
  form.setAttribute("role", "group");
  form.setAttribute("aria-labelledby", "title");
  const instead = element("button", { type: "button", textContent: say(lang, "instead") });
  instead.className = "instead";
  instead.setAttribute("aria-describedby", "hint");
  const renewed = element("p", { id: "renewed", className: "hint" });
  renewed.setAttribute("role", "status");
  const working = element("p", { className: "working", tabIndex: -1 });
  working.setAttribute("role", "status");
  form.append(
    element("p", { id: "title", className: "title", textContent: say(lang, "title") }),
    renewed,
    element("p", { id: "explain", textContent: say(lang, "explain") }),
    canvas,
    range,
    element("button", { type: "submit", textContent: say(lang, "submit") }),
    instead,
    element("p", { id: "hint", className: "hint", textContent: say(lang, "instead_hint") }),
    working,
  );
  return { form, canvas, range, instead, renewed, working, most };
}

/**
 * Shows the puzzle in `host` until it is answered or its time is up; takes it away again, and tells `host` by an event
 * `left` when the focus went with it. Throws when `signal` ends it.
 */
export async function ask_slider(
  question: SliderQuestion,
  host: HTMLElement,
  lang: Lang,
  signal: AbortSignal,
): Promise<SliderAnswer> {
  const [background, piece] = await Promise.all([
    image(question.background),
    image(question.piece),
  ]);
  signal.throwIfAborted();
  const picture = { background, piece };
  const built = build(lang, question.width, picture);
  const { form, canvas, range, instead, renewed, working, most } = built;
  const show = () => {
    const value = range.valueAsNumber;
    draw(canvas, picture, value, question.piece_y);
    range.setAttribute("aria-valuetext", say(lang, "position", { value, most }));
  };
  const box = element("div", {});
  const root = box.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [sheet()];
  root.append(form);
  host.append(box);
  range.addEventListener("input", show);
  show();
  // Set after it is there: what a region is born with is not spoken.
  if (question.renewed) renewed.textContent = say(lang, "renewed");
  if (!question.renewed || was_at_it) range.focus();
  const { token, lasts_ms } = question;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const answered = new Promise<SliderAnswer>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    // Too late to be a try, it brings a new picture: nobody has to be quick (WCAG 2.2.1).
    const expire = () => resolve({ token, x: range.valueAsNumber });
    if (lasts_ms > 0) timer = setTimeout(expire, lasts_ms + LATER_MS);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      resolve({ token, x: range.valueAsNumber });
    });
    instead.addEventListener("click", () => {
      clearTimeout(timer);
      for (const one of form.querySelectorAll("button, input")) one.setAttribute("disabled", "");
      working.textContent = say(lang, "working");
      // A button that is disabled loses the focus to the top of the page.
      working.focus();
      work_on(question.instead, signal).then((payload) => resolve({ token, payload }), reject);
    });
  });
  try {
    return await answered;
  } finally {
    clearTimeout(timer);
    was_at_it = box.matches(":focus-within");
    box.remove();
    if (was_at_it) host.dispatchEvent(new Event("left"));
  }
}
