import { theme } from "../app/theme.ts";
import { number } from "../pure/format.ts";
import type { ChartData, Line } from "./types.ts";

const MOST = 12;

/** Values under the cursor, the least first, on the side where the cursor is not. */
export class Readout {
  private box: HTMLDivElement;

  constructor(host: HTMLElement) {
    this.box = host.appendChild(document.createElement("div"));
    this.box.className = "readout";
    this.box.hidden = true;
  }

  show(data: ChartData, x: number, isLeft: boolean, line?: number): void {
    const at = snapped(data, x);
    const rows = data.lines.map((entry, place) => ({ entry, place, value: valueAt(entry, at) }));
    rows.sort((a, b) => rank(a.value) - rank(b.value));
    const list = document.createElement("dl");
    for (const { entry, place, value } of rows.slice(0, MOST)) {
      const name = document.createElement("dt");
      name.textContent = entry.label;
      name.style.setProperty("--line", entry.style.colour[theme.peek()]);
      const said = document.createElement("dd");
      said.textContent = value === undefined ? (entry.stop?.note ?? "–") : number(value, 4);
      if (place === line) name.className = "current";
      list.append(name, said);
    }
    const head = document.createElement("p");
    head.textContent = `${data.x.label} ${number(at, 4)}`;
    this.box.replaceChildren(head, list);
    if (rows.length > MOST) this.box.append(`and ${rows.length - MOST} more`);
    this.box.classList.toggle("at-left", isLeft);
    this.box.hidden = false;
  }

  hide(): void {
    this.box.hidden = true;
  }
}

function rank(value: number | null | undefined): number {
  return value === undefined || value === null || !Number.isFinite(value) ? Number.POSITIVE_INFINITY : value;
}

/** The x of a point nearest to `x`. */
function snapped(data: ChartData, x: number): number {
  let best = x;
  let distance = Number.POSITIVE_INFINITY;
  for (const line of data.lines) {
    const found = line.x[nearest(line.x, x)];
    if (found !== undefined && Math.abs(found - x) < distance) {
      distance = Math.abs(found - x);
      best = found;
    }
  }
  return best;
}

/** The value of `line` at exactly `x`; undefined where it has none. */
export function valueAt(line: Line, x: number): number | null | undefined {
  const place = nearest(line.x, x);
  return line.x[place] === x && place < line.y.length ? line.y[place] : undefined;
}

/** The place of the value nearest to `x` in an ascending array. */
export function nearest(xs: ArrayLike<number>, x: number): number {
  let [low, high] = [0, xs.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((xs[middle] as number) < x) low = middle;
    else high = middle;
  }
  return Math.abs((xs[low] ?? 0) - x) <= Math.abs((xs[high] ?? 0) - x) ? low : high;
}
