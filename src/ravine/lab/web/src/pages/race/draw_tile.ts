import { color } from "../../app/theme.ts";

export interface TileData {
  grid: Float32Array;
  target: Float32Array;
  points: { x: Float32Array; y: Float32Array } | null;
  prediction: Float32Array | null;
  stroke: string;
  dash: readonly number[];
}

/** Least and greatest of what is to be fitted, with room for predictions that overshoot. */
export function rangeOfTarget(target: ArrayLike<number>): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let place = 0; place < target.length; place++) {
    const value = target[place] as number;
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [-1, 1];
  const spare = Math.max(0.25 * (high - low), 1e-6);
  return [low - spare, high + spare];
}

/** Target and prediction over x; a value that is no number is a gap, and one out of sight leaves the tile. */
export function drawTile(canvas: HTMLCanvasElement, data: TileData): void {
  const ratio = devicePixelRatio;
  const { clientWidth, clientHeight } = canvas;
  if (!clientWidth || !data.grid.length) return;
  if (canvas.width !== Math.round(clientWidth * ratio)) canvas.width = Math.round(clientWidth * ratio);
  if (canvas.height !== Math.round(clientHeight * ratio)) canvas.height = Math.round(clientHeight * ratio);
  const ctx = canvas.getContext("2d");
  if (!ctx) return;
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, clientWidth, clientHeight);
  const [low, high] = rangeOfTarget(data.points ? data.points.y : data.target);
  const first = data.grid[0] as number;
  const last = data.grid[data.grid.length - 1] as number;
  const toX = (x: number) => 4 + ((x - first) / (last - first)) * (clientWidth - 8);
  const toY = (y: number) => clientHeight - 4 - ((y - low) / (high - low)) * (clientHeight - 8);
  ctx.lineJoin = "round";
  if (data.points) {
    ctx.fillStyle = color("--edge");
    const size = data.points.x.length > 300 ? 1.2 : 2;
    data.points.x.forEach((x, place) => ctx.fillRect(toX(x) - size / 2, toY(data.points!.y[place] as number) - size / 2, size, size));
  }
  stroke(ctx, data.grid, data.target, toX, toY, { color: color("--edge"), width: 4, dash: [], alpha: 0.45 });
  if (data.prediction) stroke(ctx, data.grid, data.prediction, toX, toY, { color: data.stroke, width: 2, dash: data.dash.map((length) => 2 * length), alpha: 1 });
}

interface Pen {
  color: string;
  width: number;
  dash: number[];
  alpha: number;
}

function stroke(ctx: CanvasRenderingContext2D, xs: Float32Array, ys: Float32Array, toX: (x: number) => number, toY: (y: number) => number, pen: Pen): void {
  ctx.strokeStyle = pen.color;
  ctx.lineWidth = pen.width;
  ctx.globalAlpha = pen.alpha;
  ctx.setLineDash(pen.dash);
  ctx.beginPath();
  let isOpen = false;
  for (let place = 0; place < xs.length; place++) {
    const y = ys[place] as number;
    if (!Number.isFinite(y)) {
      isOpen = false;
      continue;
    }
    const [left, top] = [toX(xs[place] as number), Math.max(-1e4, Math.min(1e4, toY(y)))];
    if (isOpen) ctx.lineTo(left, top);
    else ctx.moveTo(left, top);
    isOpen = true;
  }
  ctx.stroke();
  ctx.globalAlpha = 1;
}
