import type { LineStyle, Marker } from "../../chart/types.ts";

const LIGHT = ["#0072B2", "#D55E00", "#009E73", "#C06A9B", "#A98600", "#2F93CF", "#1a1d20", "#8A8A8A"];
const DARK = ["#0A85CA", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#ececec", "#8C8C8C"];
const DASHES = [[], [5, 1.5], [1.2, 1.2], [6, 1.5, 1.2, 1.5], [9, 2]];
const MARKERS = ["o", "s", "^", "D", "v", "P", "X", "h"] as const;

/** A style for what is no optimiser: neighbours differ in colour, dash and marker, as in the figures of the command line. */
export function seriesStyle(place: number): LineStyle {
  const turn = place % LIGHT.length;
  return {
    colour: { light: LIGHT[turn] as string, dark: DARK[turn] as string },
    dash: DASHES[(place + Math.floor(place / DASHES.length)) % DASHES.length] as number[],
    marker: MARKERS[turn] as Marker,
  };
}
