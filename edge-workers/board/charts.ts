/** The two charts: what happens per second, and how long it takes. Drawn by uPlot. */

import uPlot from "uplot";
import type { BoardDocument, History } from "./document.ts";
import type { Words } from "./words.ts";

const SHOWN_S = 240;

interface Line {
  label: string;
  /** A custom property of the style sheet. */
  colour: string;
  of: (document: BoardDocument) => number | null;
  past: (history: History) => (number | null)[];
}

function stage(name: string): (document: BoardDocument) => number | null {
  return ({ funnel }) => funnel.find((one) => one.stage === name)?.per_s ?? null;
}

function figure_ms(name: string): (document: BoardDocument) => number | null {
  return ({ figures }) => {
    const seconds = figures[name];
    return seconds === null || seconds === undefined ? null : seconds * 1000;
  };
}

export function rate_lines({ text }: Words): Line[] {
  return [
    { label: text.clicks, colour: "--clicks", of: stage("buy"), past: (past) => past.buys },
    {
      label: text.reservations,
      colour: "--reserved",
      of: stage("reserved"),
      past: (past) => past.reserved,
    },
    { label: text.orders, colour: "--orders", of: stage("confirmed"), past: (past) => past.orders },
  ];
}

export function latency_lines({ text }: Words): Line[] {
  return [
    {
      label: text.reserve_latency,
      colour: "--reserved",
      of: figure_ms("exchange_p99"),
      past: (past) => past.exchange_ms,
    },
    {
      label: text.confirm_latency,
      colour: "--orders",
      of: figure_ms("confirm_p99"),
      past: (past) => past.confirm_ms,
    },
  ];
}

/** One chart of some lines over the last minutes, or over a whole replay. */
export class Chart {
  #plot: uPlot | null = null;
  #at: number[] = [];
  #values: (number | null)[][];
  readonly #place: HTMLElement;
  readonly #lines: Line[];
  readonly #words: Words;

  constructor(place: HTMLElement, lines: Line[], words: Words) {
    this.#place = place;
    this.#lines = lines;
    this.#words = words;
    this.#values = lines.map(() => []);
    new ResizeObserver(() => this.#fit()).observe(place);
  }

  /** What was before the page was opened; never replaces what it has seen itself. */
  begin(history: History): void {
    const first = this.#at[0] ?? Number.POSITIVE_INFINITY;
    const kept = history.at_ms.map((at) => at / 1000).filter((at) => at < first);
    this.#at = [...kept, ...this.#at];
    this.#lines.forEach((line, place) => {
      this.#values[place] = [
        ...line.past(history).slice(0, kept.length),
        ...(this.#values[place] ?? []),
      ];
    });
    this.#draw();
  }

  /** One more moment. */
  add(document: BoardDocument): void {
    this.#push(document);
    const oldest = document.at_ms / 1000 - SHOWN_S;
    const gone = this.#at.findIndex((at) => at >= oldest);
    if (gone > 0) {
      this.#at.splice(0, gone);
      for (const values of this.#values) values.splice(0, gone);
    }
    this.#draw();
  }

  /** Exactly these moments. */
  show(frames: readonly BoardDocument[]): void {
    this.#at = [];
    this.#values = this.#lines.map(() => []);
    for (const frame of frames) this.#push(frame);
    this.#draw();
  }

  /** Colours are the style sheet's, and it has two schemes. */
  recolour(): void {
    this.#plot?.destroy();
    this.#plot = null;
    this.#draw();
  }

  #push(document: BoardDocument): void {
    this.#at.push(document.at_ms / 1000);
    this.#lines.forEach((line, place) => {
      this.#values[place]?.push(line.of(document));
    });
  }

  #data(): uPlot.AlignedData {
    return [this.#at, ...this.#values] as uPlot.AlignedData;
  }

  #draw(): void {
    if (this.#plot === null) this.#plot = this.#make();
    else this.#plot.setData(this.#data());
    // Without a pointer the legend says what is last.
    if (this.#plot.cursor.idx == null && this.#at.length > 0) {
      this.#plot.setLegend({ idx: this.#at.length - 1 });
    }
  }

  #fit(): void {
    const { clientWidth: width, clientHeight: height } = this.#place;
    if (width > 0 && height > 0) this.#plot?.setSize({ width, height: height - LEGEND_PX });
  }

  #make(): uPlot {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const grid = { stroke: colour("--line"), width: 1 };
    const font = "12px system-ui, sans-serif";
    const axis = { stroke: colour("--quiet"), grid, ticks: { show: false }, font };
    return new uPlot(
      {
        width: Math.max(this.#place.clientWidth, 200),
        height: Math.max(this.#place.clientHeight - LEGEND_PX, 90),
        // Half of the last label stands beside the drawing.
        padding: [8, 30, 0, 0],
        cursor: { y: false, points: { size: 7 } },
        scales: { y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.1)] } },
        axes: [
          {
            ...axis,
            space: 90,
            values: (_plot, at) => at.map((one) => this.#words.clock(one * 1000)),
          },
          { ...axis, size: 52, values: (_plot, at) => at.map((one) => this.#words.rate(one)) },
        ],
        series: [
          // undefined: the legend's place is of data that was longer.
          { value: (_plot, at) => (at == null ? "" : this.#words.clock(at * 1000)) },
          ...this.#lines.map((line) => ({
            label: line.label,
            stroke: colour(line.colour),
            fill: `${colour(line.colour)}22`,
            width: 2,
            points: { show: false },
            value: (_plot: uPlot, value: number | null) => this.#words.rate(value),
          })),
        ],
      },
      this.#data(),
      this.#place,
    );
  }
}

/** uPlot's legend stands below its canvas. */
const LEGEND_PX = 28;
