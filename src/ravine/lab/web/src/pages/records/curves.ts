import { floats } from "../../pure/base64.ts";
import { middle } from "../../pure/median.ts";
import type { LaneCurves, LossBands, RecordView } from "./types.ts";

/** One lane's losses as far as they are at hand. */
export interface Trail {
  lane: number;
  steps: number[];
  values: Float32Array;
  /** Whether every loss of the range is here. */
  isExact: boolean;
  /** The first loss that is not finite. */
  broken: number | null;
}

export type Range = readonly [number, number];

/** Entrants' lanes together: least, greatest and median of each column of steps. */
export interface Bands {
  steps: number[];
  bands: { entrant: number; group: "ranked" | "other"; low: Float32Array; high: Float32Array; median: Float32Array }[];
}

/** The bands of an answer. */
export function bandsOf({ steps, bands }: LossBands): Bands {
  return { steps, bands: bands.map((band) => ({ ...band, low: floats(band.low), high: floats(band.high), median: floats(band.median) })) };
}

/** The bands of a range from the lanes themselves, as the server makes them; null where a lane is not there with every step. */
export function bandsWithin(view: RecordView, trails: ReadonlyMap<number, Trail>, [low, high]: Range, columns: number): Bands | null {
  const [start, stop] = around([low, high], view.steps);
  const width = stop - start;
  const count = Math.min(columns, width);
  const edge = (column: number) => start + Math.floor((column * width) / count);
  const steps = Array.from({ length: count }, (_, column) => edge(column + 1) - 1);
  const bands: Bands["bands"] = [];
  for (const [entrant, { lanes }] of view.entrants.entries()) {
    const found = lanes.map((lane) => ({ trail: trails.get(lane), isLost: view.lanes.status[view.lanes.lane.indexOf(lane)] === "diverged" }));
    if (found.some(({ trail }) => !trail?.isExact)) return null;
    const band = { entrant, group: "ranked" as const, low: blank(count), high: blank(count), median: blank(count) };
    for (let column = 0; column < count; column++) {
      const at: number[] = [];
      for (const { trail, isLost } of found as { trail: Trail; isLost: boolean }[]) {
        const from = trail.steps[0] ?? 0;
        for (let step = edge(column); step < edge(column + 1); step++) {
          const value = trail.values[step - from];
          if (value === undefined || !Number.isFinite(value)) continue;
          if (!((band.low[column] as number) <= value)) band.low[column] = value;
          if (!((band.high[column] as number) >= value)) band.high[column] = value;
        }
        const last = trail.values[(steps[column] as number) - from];
        // A lane that diverged is the worst; one that has ended otherwise is not there.
        if (last !== undefined) at.push(Number.isFinite(last) ? last : Infinity);
        else if (isLost) at.push(Infinity);
      }
      const median = at.length ? middle(at) : Number.NaN;
      if (Number.isFinite(median)) band.median[column] = median;
    }
    if (lanes.length) bands.push(band);
  }
  return bands.length ? { steps, bands } : null;
}

function blank(count: number): Float32Array {
  return new Float32Array(count).fill(Number.NaN);
}

/** The lanes of an answer. */
export function trailsOf(curves: LaneCurves): Trail[] {
  const values = floats(curves.values);
  const thinned = whole(curves.steps, curves.stop - curves.start <= 65536);
  let place = 0;
  let step = 0;
  return curves.lanes.map((lane, index) => {
    const count = curves.counts[index] as number;
    const isExact = curves.is_exact[index] as boolean;
    const from = isExact ? (curves.first[index] as number) : curves.start;
    const steps = Array.from({ length: count }, (_, k) => from + (isExact ? k : (thinned[step + k] as number)));
    if (!isExact) step += count;
    place += count;
    return { lane, steps, values: values.subarray(place - count, place), isExact, broken: curves.broken[index] ?? null };
  });
}

/** What of a lane lies in a range, and one point on either side, so that its line enters and leaves. */
export function within(trail: Trail, [low, high]: Range): Trail {
  let from = trail.steps.findIndex((step) => step >= low);
  let to = trail.steps.findIndex((step) => step > high);
  if (from < 0) from = trail.steps.length;
  if (to < 0) to = trail.steps.length;
  [from, to] = [Math.max(0, from - 1), Math.min(trail.steps.length, to + 1)];
  return { ...trail, steps: trail.steps.slice(from, to), values: trail.values.subarray(from, to) };
}

/** Lane numbers as an address has them: "0,3-7". */
export function runs(lanes: readonly number[]): string {
  const sorted = [...new Set(lanes)].sort((a, b) => a - b);
  const found: string[] = [];
  for (let place = 0; place < sorted.length; place++) {
    const first = sorted[place] as number;
    while (sorted[place + 1] === (sorted[place] as number) + 1) place++;
    const last = sorted[place] as number;
    found.push(first === last ? `${first}` : `${first}-${last}`);
  }
  return found.join(",");
}

/** The last place of ascending steps that is not behind `at`; -1 where there is none. */
export function placeAt(steps: ArrayLike<number>, at: number): number {
  let found = -1;
  for (let place = 0; place < steps.length && (steps[place] as number) <= at; place++) found = place;
  return found;
}

/** A wider range around what is shown, so that zooming out has something to show at once; whole steps of the race. */
export function around([low, high]: Range, steps: number): [number, number] {
  const room = (high - low) / 2;
  const start = Math.max(0, Math.floor(low - room));
  return [start, Math.max(start + 1, Math.min(steps, Math.ceil(high + room) + 1))];
}

/** Who is where after the evaluation `at`, the best first; who has no median any more is out. */
export function standings<T extends { median: ArrayLike<number> }>(curves: readonly T[], at: number, isHighBest: boolean) {
  return curves
    .map((curve) => ({ curve, value: curve.median[at] as number, isOut: !Number.isFinite(curve.median[at]) }))
    .sort((a, b) => Number(a.isOut) - Number(b.isOut) || (a.isOut ? 0 : isHighBest ? b.value - a.value : a.value - b.value));
}

function whole(text: string, isShort: boolean): Uint16Array | Uint32Array {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return isShort ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer);
}
