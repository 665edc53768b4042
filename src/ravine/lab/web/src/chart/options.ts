import type uPlot from "uplot";
import { color, theme } from "../app/theme.ts";
import { rate } from "../pure/format.ts";
import { logLabels, logSplits, majors } from "../pure/ticks.ts";
import { pathsOf } from "./dense.ts";
import type { Axis, ChartData, Line } from "./types.ts";

/** What decides the shape of a plot; when it changes the plot is made anew, else it only gets new data. */
export function shapeOf(data: ChartData): string {
  const lines = data.lines.map((line) => `${line.key}${line.band ? "~" : ""}${line.isFaint ? "." : ""}${line.style.dash}`);
  return JSON.stringify([lines, data.x.isLog, data.y.isLog, data.x.label, data.y.label, (data.smoothing ?? 0) > 0]);
}

/** A line's own colour in this theme. */
export function lineColor(line: Line, alpha = 1): string {
  const found = line.style.colour[theme.peek()];
  return alpha === 1 ? found : `color-mix(in srgb, ${found} ${Math.round(alpha * 100)}%, transparent)`;
}

/** Series, bands and columns in the order of `Prepared.columns`. `now` gives the data of this moment, for what stands out. */
export function seriesOf(data: ChartData, now: () => ChartData): { series: uPlot.Series[]; bands: uPlot.Band[] } {
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  const isSmooth = (data.smoothing ?? 0) > 0;
  data.lines.forEach((line, place) => {
    const lit = () => {
      const key = now().lit;
      return key === undefined || key === null || key === line.key;
    };
    const own = () => now().lines[place] ?? line;
    const width = line.isFaint ? 1 : 2;
    const dash = line.style.dash.map((length) => length * 2);
    const raw = () => lineColor(own(), isSmooth || line.isFaint ? (lit() ? 0.38 : 0.12) : lit() ? 1 : 0.2);
    const base = { spanGaps: false, points: { show: false }, scale: "y" } as const;
    const smooth = () => lineColor(own(), lit() ? 1 : 0.2);
    series.push({ ...base, stroke: raw, paths: pathsOf(raw), width: isSmooth ? 1 : width, ...(isSmooth ? {} : { dash }) });
    if (isSmooth) series.push({ ...base, stroke: smooth, paths: pathsOf(smooth), width, dash });
    if (line.band) {
      const clear = { ...base, stroke: "transparent", width: 0 };
      series.push(clear, clear);
      bands.push({ series: [series.length - 1, series.length - 2], fill: () => lineColor(own(), lit() ? 0.18 : 0.05) });
    }
  });
  return { series, bands };
}

/** An axis in the page's colours. */
export function axisOf(axis: Axis, side: "x" | "y"): uPlot.Axis {
  const font = "12px system-ui, sans-serif";
  return {
    scale: side,
    stroke: () => color("--quiet"),
    grid: { stroke: () => color("--grid"), width: 1, ...(axis.isLog ? { filter: (_: uPlot, splits: number[]) => majors(splits) } : {}) },
    ticks: { stroke: () => color("--grid"), size: 4 },
    font,
    labelFont: font,
    gap: 4,
    size: side === "x" ? 28 : 52,
    label: axis.label,
    labelSize: 18,
    ...(axis.isLog ? { splits: (_, __, low, high) => logSplits(low, high), filter: (_, splits) => splits, values: (u, splits) => logLabels(splits, side === "x" ? Math.min(8, u.width / 50) : 9) } : {}),
    ...(axis.isLog ? {} : { values: (_, splits) => splits.map((value) => rate(value)) }),
    ...(axis.isLog ? {} : { space: side === "x" ? 60 : 36 }),
  } as uPlot.Axis;
}

/** A scale whose range leaves a little room and keeps to the axis's bounds. */
export function scaleOf(axis: Axis, now: () => Axis, side: "x" | "y", zoom: () => [number, number] | null): uPlot.Scale {
  return {
    time: false,
    distr: axis.isLog ? 3 : 1,
    range: (_, low, high): [number, number] => {
      const held = side === "x" ? zoom() : null;
      if (held) return held;
      return rangeOf(low, high, now(), side === "x" ? 0 : 0.05);
    },
  };
}

/** The range of an axis for values from `low` to `high`. */
export function rangeOf(low: number | null, high: number | null, axis: Axis, room: number): [number, number] {
  if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return axis.empty ?? (axis.isLog ? [1, 10] : [0, 1]);
  // An x with both of its bounds given shows all between them, as a probability's does.
  if (!room && !axis.isLog && axis.low !== undefined && axis.high !== undefined) return [axis.low, axis.high];
  let [bottom, top] = [Math.max(low, axis.low ?? low), Math.min(high, axis.high ?? high)];
  if (top <= bottom) [bottom, top] = axis.isLog ? [bottom / 2, bottom * 2] : [bottom - 0.5, bottom + 0.5];
  if (axis.isLog) {
    const factor = (top / bottom) ** room;
    return [bottom / factor, top * factor];
  }
  const spare = (top - bottom) * room;
  return [bottom - spare, top + spare];
}
