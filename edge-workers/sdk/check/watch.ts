/** Watches a page's pointer and keyboard for the recorder. Listens only; changes and delays nothing. */

import type { PressKind } from "../../shared/trace.ts";
import { Recorder } from "./recorder.ts";

/** Of this page. Begins with the first `watch`, else with the first trace. */
let recorder: Recorder | null = null;
const the_recorder = () => {
  recorder ??= new Recorder(performance.now());
  return recorder;
};

const KINDS: Readonly<Record<string, PressKind>> = { mouse: "mouse", touch: "touch", pen: "pen" };
const kind_of = ({ pointerType }: PointerEvent): PressKind => KINDS[pointerType] ?? "none";

type Listeners = { [Name in keyof DocumentEventMap]?: (event: DocumentEventMap[Name]) => void };

const listeners: Listeners = {
  pointermove: ({ timeStamp, clientX, clientY }) => {
    the_recorder().moved(timeStamp, clientX, clientY);
  },
  pointerdown: (event) => the_recorder().pressed(event.timeStamp, kind_of(event)),
  pointerup: ({ timeStamp }) => the_recorder().released(timeStamp),
  pointercancel: ({ timeStamp }) => the_recorder().released(timeStamp),
  click: ({ timeStamp }) => the_recorder().clicked(timeStamp),
  keydown: ({ timeStamp, code, repeat }) => {
    if (!repeat) the_recorder().key_down(timeStamp, code);
  },
  keyup: ({ timeStamp, code }) => the_recorder().key_up(timeStamp, code),
  scroll: () => the_recorder().scrolled(),
};

/** Starts to watch; returns what stops it. What was noted stays until the page goes. */
export function watch(root: Document): () => void {
  the_recorder();
  const stop = new AbortController();
  for (const [name, note] of Object.entries(listeners) as [string, (event: Event) => void][]) {
    const listener = (event: Event) => {
      if (event.isTrusted) note(event);
      else the_recorder().scripted();
    };
    root.addEventListener(name, listener, { capture: true, passive: true, signal: stop.signal });
  }
  return () => stop.abort();
}

/** What was seen so far, as it travels to the edge. */
export function trace_so_far(): string {
  return the_recorder().trace(performance.now(), navigator.webdriver === true);
}
