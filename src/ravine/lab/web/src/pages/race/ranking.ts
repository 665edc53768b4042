import type { LaneInfo } from "../../protocol.ts";
import type { History } from "./history.ts";

export interface Place {
  lane: LaneInfo;
  /** First evaluated step at which the validation loss is at the target or below; null if it has not been. */
  reached: number | null;
  loss: number | null;
  /** The step at which the lane diverged. */
  diverged: number | null;
  /** Shared by lanes that reached the target at the same evaluation, or have not and stand at the same loss. */
  rank: number;
}

const METRIC = "loss";

/** Lanes in order at `step`: by steps to the target, then by validation loss; diverged lanes last. One seed, so an order, no verdict. */
export function ranked(history: History, lanes: readonly LaneInfo[], target: number, step: number): Place[] {
  const places = lanes.map((lane): Place => {
    const ended = history.diverged[lane.lane];
    return {
      lane,
      reached: reachedAt(history, lane.lane, target, step),
      loss: history.evaluatedBy(METRIC, lane.lane, step) ?? history.lossAt(lane.lane, step)?.loss ?? null,
      diverged: ended && ended.step <= step ? ended.step : null,
      rank: 0,
    };
  });
  places.sort(compare);
  places.forEach((place, turn) => {
    const before = places[turn - 1];
    const isTied = before !== undefined && place.diverged === null && before.reached === place.reached && (place.reached !== null || before.loss === place.loss);
    place.rank = isTied ? before.rank : turn + 1;
  });
  return places;
}

function compare(a: Place, b: Place): number {
  const broken = Number(a.diverged !== null) - Number(b.diverged !== null);
  if (broken) return broken;
  if (a.diverged !== null && b.diverged !== null) return b.diverged - a.diverged;
  const far = Number.POSITIVE_INFINITY;
  const first = (a.reached ?? far) === (b.reached ?? far) ? 0 : (a.reached ?? far) - (b.reached ?? far);
  return first || (a.loss ?? far) - (b.loss ?? far) || a.lane.lane - b.lane.lane;
}

function reachedAt(history: History, lane: number, target: number, step: number): number | null {
  const values = history.evaluations.get(METRIC)?.[lane] ?? [];
  const place = values.findIndex((value, turn) => value !== null && value <= target && (history.evaluatedAt[turn] as number) <= step);
  return place < 0 ? null : (history.evaluatedAt[place] as number);
}

/** A target that asks for something: a tenth of what the first lane had before the first step, in one digit. */
export function usualTarget(history: History): number {
  const first = history.evaluations.get(METRIC)?.[0]?.[0] ?? history.losses[0]?.[0];
  return first && Number.isFinite(first) ? Number((first / 10).toPrecision(1)) : 0.01;
}
