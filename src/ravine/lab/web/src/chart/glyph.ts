import type { Marker } from "./types.ts";

/** Outlines in a box from -1 to 1, for canvas (Path2D) and for SVG alike. */
export const OUTLINES: Record<Marker, string> = {
  o: "M-.9 0A.9 .9 0 1 0 .9 0A.9 .9 0 1 0 -.9 0Z",
  s: "M-.8 -.8H.8V.8H-.8Z",
  "^": "M0 -1L1 .8H-1Z",
  v: "M0 1L1 -.8H-1Z",
  D: "M0 -1.1L1.1 0L0 1.1L-1.1 0Z",
  P: "M-.35 -1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35Z",
  X: "M-1 -.5L-.5 -1L0 -.5L.5 -1L1 -.5L.5 0L1 .5L.5 1L0 .5L-.5 1L-1 .5L-.5 0Z",
  h: "M0 -1L.87 -.5V.5L0 1L-.87 .5V-.5Z",
  x: "M-1 -.75L-.75 -1L0 -.25L.75 -1L1 -.75L.25 0L1 .75L.75 1L0 .25L-.75 1L-1 .75L-.25 0Z",
};

const paths = new Map<Marker, Path2D>();

/** Draw a marker filled with the context's colours: `fill`, with a rim of the paper so that lines behind it end there. */
export function drawMarker(ctx: CanvasRenderingContext2D, marker: Marker, x: number, y: number, radius: number, rim: string): void {
  let path = paths.get(marker);
  if (!path) paths.set(marker, (path = new Path2D(OUTLINES[marker])));
  ctx.save();
  ctx.translate(x, y);
  ctx.scale(radius, radius);
  ctx.setLineDash([]);
  ctx.lineWidth = 0.5;
  ctx.strokeStyle = rim;
  ctx.stroke(path);
  ctx.fill(path);
  ctx.restore();
}
