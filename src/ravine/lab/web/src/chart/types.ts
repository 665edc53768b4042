/** Matplotlib's names of the marks, as the catalogue has them; "x" is divergence and no optimiser's. */
export type Marker = "o" | "s" | "^" | "D" | "v" | "P" | "X" | "h" | "x";

/** How a curve is drawn, the same in every panel and theme. */
export interface LineStyle {
  colour: { light: string; dark: string };
  /** On and off in units of the line's width; empty is solid. */
  dash: readonly number[];
  marker: Marker;
}

export interface Line {
  key: string;
  label: string;
  style: LineStyle;
  /** Ascending; lines that share one array are drawn fastest. */
  x: ArrayLike<number>;
  /** May hold null, NaN or infinity: drawn as a gap, said in `stop`. A live line grows this same array. */
  y: ArrayLike<number | null>;
  /** Where the curve ended early, and what stands there, such as "diverged at 31". */
  stop?: { x: number; note: string } | undefined;
  /** A band around the line, such as the range of the seeds; the same places as y. */
  band?: { low: ArrayLike<number | null>; high: ArrayLike<number | null> } | undefined;
  /** Drawn thin and without a label: one of many. */
  isFaint?: boolean;
}

export interface Axis {
  label: string;
  isLog?: boolean;
  /** Bounds that the axis does not go beyond, whatever the data. */
  low?: number | undefined;
  high?: number | undefined;
  /** What is shown while there is nothing to draw. */
  empty?: [number, number];
}

/** A straight line across the chart: the target, the step looked at, where a schedule bends. */
export interface Mark {
  along: "x" | "y";
  at: number;
  label: string;
}

export interface ChartData {
  lines: readonly Line[];
  x: Axis;
  y: Axis;
  marks?: readonly Mark[];
  /** Beta of the smoothed line over the raw one; 0 or left out: raw alone. */
  smoothing?: number;
  /** The line that stands out; the others step back. */
  lit?: string | null;
}
