import uPlot from "uplot";
import { type Columns, columned } from "../pure/columns.ts";

/** What rises or falls by more pixels of the page than this, within a column or steeply to the next point, is filled, never dashed. */
const TALL = 6;
const STEEP = 3;
/** With so few points to a pixel a line is stroked as it is. */
const SPARSE = 1 / 6;
const FAR = 1e5;

interface Drawn {
  stroke: Path2D;
  fill: Path2D;
}

const drawSparse = uPlot.paths.linear?.();

/**
 * The path of a line that may have more points than the plot has columns of pixels. Calm stretches are stroked and dashed as ever;
 * tall columns are filled from their highest to their lowest point, and so are steep ways between them: a stroke of hundreds of
 * points that jump up and down takes a browser without a GPU ten times as long, and dashes would cut holes into it.
 */
export function pathsOf(color: () => string): uPlot.Series.PathBuilder {
  return (u, place, from, to) => {
    const { width } = u.bbox;
    if (to - from < SPARSE * width) return drawSparse?.(u, place, from, to) ?? null;
    const columns = columned(u.data[0], u.data[place] as (number | null | undefined)[], from, to, {
      toX: (value) => u.valToPos(value, "x", true),
      fromX: (pixel) => u.posToVal(pixel, "x", true),
      // So far outside that no slope inside is another; a browser loses its exactness where a value is huge.
      toY: (value) => Math.max(-FAR, Math.min(FAR, u.valToPos(value, "y", true))),
    });
    const drawn = { stroke: new Path2D(), fill: new Path2D() };
    const thickness = Math.round((u.series[place]?.width ?? 1) * devicePixelRatio);
    draw(columns, TALL * devicePixelRatio, thickness, drawn);
    // uPlot fills with a line's own colour only if told so, and asks for it at every drawing.
    return { ...drawn, clip: null, flags: 0, get _fill() { return color(); } } as uPlot.Series.Paths;
  };
}

function draw(columns: Columns, tall: number, thickness: number, { stroke, fill }: Drawn): void {
  const { at, isApart } = columns;
  const top = (place: number) => columns.top[place] as number;
  const bottom = (place: number) => columns.bottom[place] as number;
  const isTall = (place: number) => bottom(place) - top(place) > tall;
  const within = (place: number, y: number) => Math.max(top(place), Math.min(bottom(place), y));
  let run = -1;
  let y = 0;
  at.forEach((x, place) => {
    const isLinked = place > 0 && !isApart[place];
    const isInRun = run >= 0 && isLinked && isTall(place) && at[place - 1] === x - 1;
    if (!isInRun) {
      if (run >= 0) outline(columns, run, place, thickness, fill);
      const last = at[place - 1] as number;
      // A tall column is left where its neighbour is nearest.
      if (isLinked && run >= 0) stroke.moveTo(last, (y = within(place - 1, top(place))));
      run = isTall(place) ? place : -1;
      const next = isLinked ? within(place, y) : top(place);
      const rise = Math.abs(next - y);
      const isSteep = isLinked && rise > tall && rise > STEEP * (x - last);
      if (isSteep) slope(last, y, x, next, thickness / 2, fill);
      if (isLinked && !isSteep) stroke.lineTo(x, next);
      else stroke.moveTo(x, next);
      y = next;
    }
    if (run >= 0) return;
    for (const end of y - top(place) < bottom(place) - y ? [top(place), bottom(place)] : [bottom(place), top(place)]) if (end !== y) stroke.lineTo(x, (y = end));
  });
  if (run >= 0) outline(columns, run, at.length, thickness, fill);
}

/** Around the columns `from` to before `to`, which are neighbours: each as wide, and as much longer, as the line is thick. */
function outline({ at, top, bottom }: Columns, from: number, to: number, thickness: number, fill: Path2D): void {
  const left = (at[from] as number) - thickness / 2;
  const cells = to - from + thickness - 1;
  // The columns whose width reaches into a cell of one pixel.
  const edge = (cell: number, ys: number[], sign: number) => {
    let y = Number.NEGATIVE_INFINITY;
    for (let place = Math.max(from, from + cell - thickness + 1); place < to && place <= from + cell; place++) y = Math.max(y, sign * (ys[place] as number));
    return sign * (y + thickness / 2);
  };
  fill.moveTo(left, edge(0, bottom, 1));
  for (let cell = 0; cell < cells; cell++) side(fill, left + cell, left + cell + 1, edge(cell, top, -1));
  for (let cell = cells; cell-- > 0; ) side(fill, left + cell + 1, left + cell, edge(cell, bottom, 1));
  fill.closePath();
}

/** From one point to another, turning as outlines do, so that overlapping areas stay filled. */
function slope(fromX: number, fromY: number, toX: number, toY: number, half: number, fill: Path2D): void {
  const [high, highX, low, lowX] = fromY < toY ? [fromY, fromX, toY, toX] : [toY, toX, fromY, fromX];
  fill.moveTo(highX - half, high - half);
  fill.lineTo(highX + half, high - half);
  side(fill, lowX + half, lowX - half, low + half);
  fill.closePath();
}

function side(fill: Path2D, from: number, to: number, y: number): void {
  fill.lineTo(from, y);
  fill.lineTo(to, y);
}
