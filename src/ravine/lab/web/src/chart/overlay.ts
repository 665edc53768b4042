import type uPlot from "uplot";
import { color } from "../app/theme.ts";
import { apart } from "../pure/apart.ts";
import { drawMarker } from "./glyph.ts";
import { lineColor } from "./options.ts";
import type { ChartData, Line } from "./types.ts";

const FONT = "600 12px system-ui, sans-serif";
const SPACING = 110;
let measure: CanvasRenderingContext2D | null = null;

/** Room right of the plot for the labels at the ends of the lines. */
export function labelRoom(data: ChartData, width: number): number {
  measure ??= document.createElement("canvas").getContext("2d");
  if (!measure || width <= 360) return 16;
  measure.font = FONT;
  const longest = Math.max(0, ...data.lines.map((line) => (line.isFaint ? 0 : (measure?.measureText(line.label).width ?? 0))));
  // A whole number, so that columns of pixels are the screen's.
  return longest ? Math.ceil(Math.min(0.35 * width, 24 + longest)) : 16;
}

/** What uPlot has no notion of: marks along the axes, markers on lines, labels at their ends, and where a lane broke. */
export function drawOverlay(u: uPlot, data: ChartData): void {
  const { ctx } = u;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = FONT.replace("12px", `${12 * ratio}px`);
  drawMarks(u, data, ratio);
  const ends: { line: Line; x: number; y: number; note: string }[] = [];
  data.lines.forEach((line, turn) => {
    if (line.isFaint) return;
    const end = drawLine(u, line, turn, data, ratio);
    if (end) ends.push({ line, ...end, note: line.stop?.note ?? "" });
  });
  if (u.width > 360) drawLabels(u, ends, data, ratio);
  ctx.restore();
}

function drawMarks(u: uPlot, data: ChartData, ratio: number): void {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  for (const mark of data.marks ?? []) {
    const at = u.valToPos(mark.at, mark.along, true);
    const isInside = mark.along === "x" ? at >= left - 1 && at <= left + width + 1 : at >= top - 1 && at <= top + height + 1;
    if (!isInside) continue;
    ctx.strokeStyle = ctx.fillStyle = color("--quiet");
    ctx.lineWidth = ratio;
    ctx.setLineDash([4 * ratio, 4 * ratio]);
    ctx.beginPath();
    if (mark.along === "x") {
      ctx.moveTo(at, top);
      ctx.lineTo(at, top + height);
    } else {
      ctx.moveTo(left, at);
      ctx.lineTo(left + width, at);
    }
    ctx.stroke();
    ctx.textBaseline = "alphabetic";
    ctx.textAlign = mark.along === "x" && at > left + 0.7 * width ? "right" : "left";
    const shift = (ctx.textAlign === "right" ? -5 : 5) * ratio;
    ctx.fillText(mark.label, mark.along === "x" ? at + shift : left + 6 * ratio, mark.along === "x" ? top + 12 * ratio : at - 4 * ratio);
  }
}

/** Markers along the line, found by their place and not by a walk over all points; returns where the line ends inside the plot. */
function drawLine(u: uPlot, line: Line, turn: number, data: ChartData, ratio: number): { x: number; y: number } | null {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  const values = u.data[columnOf(data, turn)] as ArrayLike<number | null>;
  const xs = u.data[0];
  const isLit = data.lit === undefined || data.lit === null || data.lit === line.key;
  const at = (place: number) => ({ x: u.valToPos(xs[place] as number, "x", true), y: u.valToPos(values[place] as number, "y", true) });
  ctx.fillStyle = lineColor(line, isLit ? 1 : 0.25);
  const low = Math.max(0, u.valToIdx(u.scales.x?.min ?? 0));
  let last = Math.min(xs.length - 1, u.valToIdx(u.scales.x?.max ?? 0));
  while (last >= low && !isShown(values[last])) last--;
  if (last < low) return null;
  const end = at(last);
  const mark = ({ x, y }: { x: number; y: number }) => {
    if (x >= left - 1 && x <= left + width + 1 && y >= top && y <= top + height) drawMarker(ctx, line.style.marker, x, y, 4 * ratio, color("--paper"));
  };
  const first = left + (((turn * 37) % SPACING) + 20) * ratio;
  // A race of one step is a point, which nothing else would show.
  if (end.x < first) mark(end);
  for (let next = first; next <= Math.min(left + width, end.x); next += SPACING * ratio) {
    let place = Math.max(low, u.valToIdx(u.posToVal(next, "x", true)));
    while (place < last && !isShown(values[place])) place++;
    mark(at(place));
  }
  // The last place may lie just behind the edge of what is shown.
  end.x = Math.min(left + width, end.x);
  end.y = Math.min(top + height, Math.max(top, end.y));
  if (line.stop) drawMarker(ctx, "x", end.x, Math.max(end.y, top + 7 * ratio), 6 * ratio, color("--paper"));
  return end;
}

function isShown(value: number | null | undefined): boolean {
  return value !== null && value !== undefined;
}

function drawLabels(u: uPlot, ends: { line: Line; x: number; y: number; note: string }[], data: ChartData, ratio: number): void {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  const places = apart(
    ends.map((end) => end.y),
    15 * ratio,
    top + 6 * ratio,
    top + height - 4 * ratio,
  );
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ends.forEach(({ line, x, y, note }, turn) => {
    const at = places[turn] as number;
    const isLit = data.lit === undefined || data.lit === null || data.lit === line.key;
    const edge = left + width;
    ctx.globalAlpha = isLit ? 1 : 0.35;
    if (edge - x < 40 * ratio) {
      ctx.strokeStyle = lineColor(line);
      ctx.lineWidth = ratio;
      ctx.setLineDash([]);
      ctx.beginPath();
      ctx.moveTo(Math.max(x, edge - 2 * ratio), y);
      ctx.lineTo(edge + 8 * ratio, at);
      ctx.stroke();
    }
    ctx.fillStyle = lineColor(line);
    drawMarker(ctx, note ? "x" : line.style.marker, edge + 12 * ratio, at, 4 * ratio, color("--paper"));
    ctx.fillStyle = color("--ink");
    ctx.fillText(line.label, edge + 20 * ratio, at);
  });
  ctx.globalAlpha = 1;
}

/** The column of a line's leading values: the smoothed ones where there are any. */
export function columnOf(data: ChartData, turn: number): number {
  const isSmooth = (data.smoothing ?? 0) > 0;
  let column = 1;
  for (const line of data.lines.slice(0, turn)) column += 1 + (isSmooth ? 1 : 0) + (line.band ? 2 : 0);
  return column + (isSmooth ? 1 : 0);
}
