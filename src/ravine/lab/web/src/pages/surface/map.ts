import { color } from "../../app/theme.ts";
import { drawMarker } from "../../chart/glyph.ts";
import { lineColor } from "../../chart/options.ts";
import type { LineStyle } from "../../chart/types.ts";
import { type Grid, contour, shares } from "../../pure/contours.ts";
import { rate } from "../../pure/format.ts";

export interface Way {
  label: string;
  style: LineStyle;
  positions: readonly (readonly [number, number])[];
  /** Whether it ended before its time. */
  isBroken: boolean;
}

export interface MapData {
  domain: readonly [readonly [number, number], readonly [number, number]];
  grid: Grid;
  minima: readonly (readonly [number, number])[];
  ways: readonly Way[];
}

const LEVELS = 14;
const LEFT = 40;
const BELOW = 24;
const EDGE = 8;

/** A function of the plane with its contours, and ways over it; heights are painted once and kept as a picture. */
export class Map2D {
  private relief: HTMLCanvasElement | null = null;
  private key = "";
  private source: Grid | null = null;

  constructor(private canvas: HTMLCanvasElement) {}

  /** Paint every way up to `step`. */
  draw(data: MapData, step: number, lit: string | null = null): void {
    const ratio = devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width || !height) return;
    if (this.canvas.width !== Math.round(width * ratio)) this.canvas.width = Math.round(width * ratio);
    if (this.canvas.height !== Math.round(height * ratio)) this.canvas.height = Math.round(height * ratio);
    const ctx = this.canvas.getContext("2d") as CanvasRenderingContext2D;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, height);
    ctx.drawImage(this.painted(data.grid, width, height, ratio), LEFT, EDGE, width - LEFT - EDGE, height - BELOW - EDGE);
    const to = this.scale(data, width, height);
    this.axes(ctx, data, to, width, height);
    ctx.save();
    ctx.beginPath();
    ctx.rect(LEFT, EDGE, width - LEFT - EDGE, height - BELOW - EDGE);
    ctx.clip();
    for (const way of data.ways) this.way(ctx, way, step, to, lit === null || lit === way.label ? 1 : 0.25);
    for (const point of data.minima) star(ctx, ...to(point));
    ctx.restore();
  }

  /** The place of the plane under a point of the canvas. */
  placeAt(data: MapData, left: number, top: number): [number, number] {
    const [[x0, x1], [y0, y1]] = data.domain;
    const across = (left - LEFT) / (this.canvas.clientWidth - LEFT - EDGE);
    const up = 1 - (top - EDGE) / (this.canvas.clientHeight - BELOW - EDGE);
    return [x0 + across * (x1 - x0), y0 + up * (y1 - y0)];
  }

  private scale({ domain: [[x0, x1], [y0, y1]] }: MapData, width: number, height: number) {
    return ([x, y]: readonly [number, number]): [number, number] => [
      LEFT + ((x - x0) / (x1 - x0)) * (width - LEFT - EDGE),
      height - BELOW - ((y - y0) / (y1 - y0)) * (height - BELOW - EDGE),
    ];
  }

  private painted(grid: Grid, width: number, height: number, ratio: number): HTMLCanvasElement {
    const key = [width, height, ratio, color("--paper"), color("--mark")].join();
    if (this.relief && this.key === key && this.source === grid) return this.relief;
    this.key = key;
    this.source = grid;
    this.relief = relief(grid, (width - LEFT - EDGE) * ratio, (height - BELOW - EDGE) * ratio);
    return this.relief;
  }

  private axes(ctx: CanvasRenderingContext2D, data: MapData, to: (point: [number, number]) => [number, number], width: number, height: number): void {
    ctx.fillStyle = color("--quiet");
    ctx.font = "12px system-ui, sans-serif";
    const [across, up] = data.domain;
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      const [x, y] = [across[0] + share * (across[1] - across[0]), up[0] + share * (up[1] - up[0])];
      ctx.textAlign = share === 1 ? "right" : share ? "center" : "left";
      ctx.fillText(signed(x), to([x, up[0]])[0], height - 7);
      ctx.textAlign = "right";
      ctx.fillText(signed(y), LEFT - 5, to([across[0], y])[1] + (share === 1 ? 10 : share ? 4 : 0));
    }
    ctx.font = "italic 12px system-ui, sans-serif";
    ctx.textAlign = "center";
    ctx.fillText("x", to([across[0] + 0.875 * (across[1] - across[0]), 0])[0], height - 7);
    ctx.fillText("y", LEFT - 12, to([0, up[0] + 0.875 * (up[1] - up[0])])[1] + 4);
    ctx.strokeStyle = color("--edge");
    ctx.strokeRect(LEFT, EDGE, width - LEFT - EDGE, height - BELOW - EDGE);
  }

  private way(ctx: CanvasRenderingContext2D, way: Way, step: number, to: (point: readonly [number, number]) => [number, number], alpha: number): void {
    const until = Math.min(step, way.positions.length - 1);
    const places = way.positions.slice(0, until + 1).map(to);
    const last = places[until];
    if (!last) return;
    const ink = lineColor({ style: way.style } as never);
    ctx.globalAlpha = alpha;
    ctx.lineJoin = "round";
    for (const [width, stroke, dash] of [
      [4.5, color("--paper"), []],
      [2, ink, way.style.dash.map((length) => 2 * length)],
    ] as const) {
      ctx.beginPath();
      for (const place of places) ctx.lineTo(...place);
      ctx.lineWidth = width;
      ctx.strokeStyle = stroke;
      ctx.setLineDash(dash);
      ctx.stroke();
    }
    ctx.setLineDash([]);
    ctx.fillStyle = ink;
    const isLost = way.isBroken && until === way.positions.length - 1;
    drawMarker(ctx, isLost ? "x" : way.style.marker, ...last, 6, color("--paper"));
    ctx.globalAlpha = 1;
  }
}

function signed(value: number): string {
  return rate(value).replace("-", "−");
}

function star(ctx: CanvasRenderingContext2D, x: number, y: number): void {
  for (const [width, stroke] of [
    [4, color("--paper")],
    [1.5, color("--ink")],
  ] as const) {
    ctx.lineWidth = width;
    ctx.strokeStyle = stroke;
    ctx.beginPath();
    for (const [dx, dy] of [
      [6, 0],
      [0, 6],
    ] as const) {
      ctx.moveTo(x - dx, y - dy);
      ctx.lineTo(x + dx, y + dy);
    }
    ctx.stroke();
  }
}

// Heights in one hue, from the paper's colour up, and lines of equal height over them.
function relief(grid: Grid, width: number, height: number): HTMLCanvasElement {
  const heights = shares(grid);
  const { rows, columns } = grid;
  const small = canvasOf(columns, rows);
  const ctx = small.getContext("2d") as CanvasRenderingContext2D;
  const [paper, mark] = [rgb(color("--paper")), rgb(color("--mark"))];
  const image = ctx.createImageData(columns, rows);
  heights.forEach((share, place) => {
    // The canvas counts rows from the top.
    const at = 4 * ((rows - 1 - Math.floor(place / columns)) * columns + (place % columns));
    const mix = 0.04 + 0.46 * share;
    for (let part = 0; part < 3; part++) image.data[at + part] = (paper[part] as number) * (1 - mix) + (mark[part] as number) * mix;
    image.data[at + 3] = Number.isNaN(share) ? 0 : 255;
  });
  ctx.putImageData(image, 0, 0);
  const found = canvasOf(Math.max(1, Math.round(width)), Math.max(1, Math.round(height)));
  const big = found.getContext("2d") as CanvasRenderingContext2D;
  big.imageSmoothingQuality = "high";
  big.drawImage(small, 0, 0, found.width, found.height);
  big.strokeStyle = color("--mark");
  big.globalAlpha = 0.4;
  big.beginPath();
  for (let level = 1; level < LEVELS; level++) {
    const pieces = contour({ ...grid, values: heights }, level / LEVELS);
    for (let place = 0; place < pieces.length; place += 4) {
      const at = (offset: number): [number, number] => [
        ((pieces[place + offset] as number) / (columns - 1)) * found.width,
        found.height - ((pieces[place + offset + 1] as number) / (rows - 1)) * found.height,
      ];
      big.moveTo(...at(0));
      big.lineTo(...at(2));
    }
  }
  big.stroke();
  return found;
}

function canvasOf(width: number, height: number): HTMLCanvasElement {
  return Object.assign(document.createElement("canvas"), { width, height });
}

function rgb(text: string): number[] {
  return (text.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
}
