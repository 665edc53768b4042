import { Smoother } from "../pure/smoothing.ts";
import type { ChartData, Line } from "./types.ts";

type Values = (number | null)[];

interface Kept {
  source: ArrayLike<number | null>;
  steps: ArrayLike<number>;
  x: number[];
  raw: Values;
  smoother: Smoother | null;
}

/** Arrays as uPlot wants them: one x for all, null where there is nothing to draw. A line that only grew is only extended. */
export class Prepared {
  private kept = new Map<string, Kept>();
  private isLog = false;
  private beta = 0;
  private isLogX = false;

  /** Columns: x, then for every line its raw values, its smoothed values if smoothing is on, and low and high of its band. */
  columns(data: ChartData): (ArrayLike<number | null> | number[])[] {
    const isLog = data.y.isLog ?? false;
    const beta = data.smoothing ?? 0;
    const isLogX = data.x.isLog ?? false;
    if (isLog !== this.isLog || beta !== this.beta || isLogX !== this.isLogX) this.kept.clear();
    this.isLog = isLog;
    this.beta = beta;
    this.isLogX = isLogX;
    const first = data.lines[0];
    const isShared = data.lines.every((line) => line.x === first?.x);
    const tables = data.lines.map((line) => this.table(line, !isShared || line === first));
    for (const key of this.kept.keys()) if (!data.lines.some((line) => line.key === key)) this.kept.delete(key);
    return isShared ? [tables[0]?.[0] ?? [], ...tables.flatMap((table) => table.slice(1))] : joined(tables);
  }

  private table(line: Line, isWithX: boolean): Values[] {
    let kept = this.kept.get(line.key);
    if (!kept || kept.source !== line.y || kept.steps !== line.x || kept.raw.length > line.y.length) {
      kept = { source: line.y, steps: line.x, x: [], raw: [], smoother: this.beta > 0 ? new Smoother(this.beta, this.isLog) : null };
      this.kept.set(line.key, kept);
    }
    for (let place = kept.raw.length; place < line.y.length; place++) kept.raw.push(shown(line.y[place], this.isLog));
    // A log axis has no place for step 0: it stands at a half, left of step 1.
    for (let place = kept.x.length; isWithX && place < line.x.length; place++) {
      const x = line.x[place] as number;
      kept.x.push(this.isLogX && x <= 0 ? 0.5 : x);
    }
    const found: Values[] = [kept.x, kept.raw];
    if (kept.smoother) found.push(kept.smoother.extend(kept.raw));
    if (line.band) found.push(cleaned(line.band.low, this.isLog), cleaned(line.band.high, this.isLog));
    return found;
  }
}

function cleaned(values: ArrayLike<number | null>, isLog: boolean): Values {
  return Array.from(values, (value) => shown(value, isLog));
}

function shown(value: number | null | undefined, isLog: boolean): number | null {
  return value === null || value === undefined || !Number.isFinite(value) || (isLog && value <= 0) ? null : value;
}

/** Tables of different x as one: every x of any, null where a table has none. */
export function joined(tables: readonly Values[][]): Values[] {
  const all = [...new Set(tables.flatMap((table) => table[0] as number[]))].sort((a, b) => a - b);
  const place = new Map(all.map((x, index) => [x, index]));
  const found: Values[] = [all];
  for (const [x, ...columns] of tables)
    for (const column of columns) {
      // undefined is what uPlot spans, null what it shows as a gap.
      const spread: (number | null | undefined)[] = new Array(all.length).fill(undefined);
      (x as number[]).forEach((value, index) => (spread[place.get(value) as number] = column[index]));
      found.push(spread as Values);
    }
  return found;
}
