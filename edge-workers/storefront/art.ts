/** A picture for an item that has none: a parcel in the item's own colours. */

const SVG = "http://www.w3.org/2000/svg";
/** Drawn in a box of 320 × 200; `a` to `c` are the shades from dark to light. */
const SHAPES: readonly (readonly [path: string, shade: "a" | "b" | "c"])[] = [
  ["M160 62 244 98 160 134 76 98Z", "c"],
  ["M76 98 160 134V190L76 154Z", "a"],
  ["M244 98 160 134V190L244 154Z", "b"],
  ["M118 80 202 116V172L190 177V121L106 85Z", "c"],
];

/** The picture, which says nothing to a screen reader. */
export function art(id: number): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 320 224");
  svg.setAttribute("class", `art hue-${id % 4}`);
  svg.setAttribute("slot", "media");
  svg.setAttribute("aria-hidden", "true");
  for (const [path, shade] of SHAPES) {
    const shape = document.createElementNS(SVG, "path");
    shape.setAttribute("d", path);
    shape.setAttribute("class", shade);
    svg.append(shape);
  }
  return svg;
}
