/** The puzzle's look. A constructed sheet: policies that forbid inline styles do not mind it. `--_…`: of `<flash-sale>`. */

const CSS = `
:host { display: block; max-width: 24rem; margin: 0.75rem 0; font: inherit; }
.check { display: grid; gap: 0.5rem; margin: 0; }
p { margin: 0; line-height: 1.4; }
.title { font-weight: 600; }
.hint { font-size: 0.8125rem; opacity: 0.8; }
.working:empty { display: none; }
canvas { display: block; width: 100%; border-radius: 8px; }
/* The thumb travels as far as the piece does. */
input { width: 100%; height: 44px; margin: 0; cursor: grab;
  accent-color: var(--_accent, #b3261e); }
button { min-height: 44px; padding: 0 1rem; font: inherit; border-radius: 8px; cursor: pointer;
  border: 1px solid currentcolor; background: transparent; color: inherit; }
button[type="submit"] { border-color: transparent; font-weight: 600;
  background: var(--_accent, #b3261e); color: var(--_on-accent, #fff); }
.instead { border-color: transparent; text-decoration: underline; }
:focus-visible { outline: 3px solid var(--flash-sale-focus, #1a73e8); outline-offset: 2px; }
[disabled] { opacity: 0.5; cursor: default; }
@media (prefers-reduced-motion: no-preference) {
  .working:not(:empty) { animation: wait 1.2s ease-in-out infinite alternate; }
  @keyframes wait { to { opacity: 0.4; } }
}
`;

let made: CSSStyleSheet | null = null;

/** One sheet for all puzzles of a page. */
export function sheet(): CSSStyleSheet {
  if (made === null) {
    made = new CSSStyleSheet();
    made.replaceSync(CSS);
  }
  return made;
}
