import { effect } from "@preact/signals";
import uPlot from "uplot";
import { colorsChanged } from "../app/theme.ts";
import { type Cursor, moved } from "../pure/cursor.ts";
import { number } from "../pure/format.ts";
import { axisOf, scaleOf, seriesOf, shapeOf } from "./options.ts";
import { drawOverlay, labelRoom } from "./overlay.ts";
import { Prepared } from "./prepare.ts";
import { Readout } from "./readout.ts";
import type { ChartData } from "./types.ts";

interface Calls {
  said(text: string): void;
  zoomed(range: [number, number] | null): void;
  picked(x: number): void;
}

const SAY_MS = 250;

/** One uPlot with what it lacks: a keyboard, marks, labels, a readout. It draws at most once a frame. */
export class Plot {
  private u: uPlot | null = null;
  private shape = "";
  private prepared = new Prepared();
  private cursor: Cursor | null = null;
  private zoom: [number, number] | null = null;
  private saying = 0;
  private frame = 0;
  private readout: Readout;
  private watch: ResizeObserver;
  private stopColors: () => void;

  constructor(
    private host: HTMLElement,
    private data: ChartData,
    private height: number,
    private calls: Calls,
  ) {
    this.readout = new Readout(host);
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(host);
    let isFirst = true;
    this.stopColors = effect(() => {
      colorsChanged.value;
      if (!isFirst) this.u?.redraw(false, true);
      isFirst = false;
    });
    host.addEventListener("click", () => this.click());
  }

  /** Draw `data` at the next frame; only the newest of several is drawn. */
  show(data: ChartData): void {
    this.data = data;
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  /** A key in the chart: the cursor's, or plus, minus and 0 for the zoom, Enter to pick. */
  key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") return this.taken(event, () => this.zoomBy(0.5));
    if (event.key === "-") return this.taken(event, () => this.zoomBy(2));
    if (event.key === "0") return this.taken(event, () => this.zoomTo(null));
    if (event.key === "Enter" && this.cursor) return this.taken(event, () => this.pickAt(this.xOfCursor()));
    const found = moved(this.cursor, event.key, event.shiftKey, this.data.lines.map((line) => line.y.length));
    if (found === undefined) return;
    this.taken(event, () => {
      this.cursor = found;
      this.point();
      if (!found) this.host.blur();
    });
  }

  /** Half (0.5) or twice (2) as much of x, around the cursor or the middle. */
  zoomBy(factor: number): void {
    const whole = this.bounds();
    if (!this.u || !whole) return;
    const [low, high] = this.zoom ?? whole;
    const middle = this.cursor ? this.xOfCursor() : (low + high) / 2;
    const half = ((high - low) * factor) / 2;
    const from = Math.max(whole[0], middle - half);
    const to = Math.min(whole[1], middle + half);
    this.zoomTo(from <= whole[0] && to >= whole[1] ? null : [from, to]);
  }

  zoomTo(range: [number, number] | null): void {
    this.zoom = range;
    this.calls.zoomed(range);
    const whole = range ?? this.bounds();
    if (this.u && whole) this.u.setScale("x", { min: whole[0], max: whole[1] });
  }

  leave(): void {
    this.cursor = null;
    this.u?.setCursor({ left: -10, top: -10 });
    this.readout.hide();
  }

  end(): void {
    cancelAnimationFrame(this.frame);
    this.watch.disconnect();
    this.stopColors();
    this.u?.destroy();
  }

  private taken(event: KeyboardEvent, act: () => void): void {
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  private draw(): void {
    this.frame = 0;
    const shape = shapeOf(this.data);
    const columns = this.prepared.columns(this.data) as uPlot.AlignedData;
    if (!this.u || shape !== this.shape) {
      this.shape = shape;
      this.make(columns);
    } else this.u.setData(columns, true);
    if (this.cursor) this.point();
  }

  private make(columns: uPlot.AlignedData): void {
    this.u?.destroy();
    const { data } = this;
    const now = () => this.data;
    const { series, bands } = seriesOf(data, now);
    const options: uPlot.Options = {
      width: this.width(),
      height: this.height,
      series,
      bands,
      padding: [10, labelRoom(data, this.width()), 0, 0],
      legend: { show: false },
      cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false }, y: false, dataIdx: (_, __, index) => index },
      scales: {
        x: scaleOf(data.x, () => this.data.x, "x", () => this.zoom),
        y: scaleOf(data.y, () => this.data.y, "y", () => null),
      },
      axes: [axisOf(data.x, "x"), axisOf(data.y, "y")],
      hooks: {
        draw: [(u) => drawOverlay(u, this.data)],
        setCursor: [(u) => this.hover(u)],
        setSelect: [(u) => this.selected(u)],
      },
    };
    this.u = new uPlot(options, columns, this.host);
    this.u.over.addEventListener("dblclick", () => this.zoomTo(null));
    // Read by the tests of the page, written by none.
    Object.assign(this.host, { plot: this.u });
  }

  private hover(u: uPlot): void {
    const left = u.cursor.left ?? -1;
    if (left < 0) return this.readout.hide();
    this.readout.show(this.data, u.posToVal(left, "x"), left > u.over.clientWidth / 2, this.cursor?.line);
  }

  private selected(u: uPlot): void {
    const { left, width } = u.select;
    if (width < 4) return;
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.zoomTo([u.posToVal(left, "x"), u.posToVal(left + width, "x")]);
  }

  private click(): void {
    const left = this.u?.cursor.left ?? -1;
    if (this.u && left >= 0) this.pickAt(this.u.posToVal(left, "x"));
  }

  private pickAt(x: number): void {
    this.calls.picked(x);
  }

  private point(): void {
    const { u, cursor } = this;
    if (!u) return;
    if (!cursor) return this.leave();
    const line = this.data.lines[cursor.line];
    const x = line?.x[cursor.place];
    if (!line || x === undefined) return;
    const value = line.y[cursor.place];
    const [low, high] = [u.scales.x?.min ?? x, u.scales.x?.max ?? x];
    if (x < low || x > high) this.zoomTo([x - (high - low) / 2, x + (high - low) / 2]);
    u.setCursor({ left: u.valToPos(Math.max(x, this.data.x.isLog ? 0.5 : x), "x"), top: value ? u.valToPos(value, "y") : 0 });
    clearTimeout(this.saying);
    this.saying = window.setTimeout(
      () => this.calls.said(`${line.label}, ${this.data.x.label} ${number(x)}: ${value === null ? "no value" : number(value, 4)}`),
      SAY_MS,
    );
  }

  private xOfCursor(): number {
    return this.cursor ? (this.data.lines[this.cursor.line]?.x[this.cursor.place] ?? 0) : 0;
  }

  private bounds(): [number, number] | null {
    const xs = this.u?.data[0];
    return xs?.length ? [xs[0] as number, xs[xs.length - 1] as number] : null;
  }

  private width(): number {
    return Math.max(200, this.host.clientWidth);
  }

  private resize(): void {
    if (!this.u || this.u.width === this.width()) return;
    // Room for labels depends on the width, so a plot of another width is another plot.
    this.shape = "";
    this.show(this.data);
  }
}
