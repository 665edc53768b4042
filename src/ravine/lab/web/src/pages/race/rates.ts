import type { LaneInfo, Landmarks } from "../../protocol.ts";

/** A rate for a lane that diverged: the tuned one if it was measured and is smaller, else what its remedy allows, else a tenth. */
export function calmer(lane: LaneInfo, landmarks: Landmarks | null, low: number, remedy = ""): number {
  const tuned = landmarks?.by_optimizer[lane.optimizer]?.tuned ?? null;
  const allowed = Number(/lr=(\S+) or less/.exec(remedy)?.[1] ?? lane.lr / 10);
  const found = tuned !== null && tuned < lane.lr ? tuned : allowed;
  return Math.max(low, Number(found.toPrecision(3)));
}

/** Every lane's rate as it is, and another one for `optimizer`. */
export function fixed(lanes: readonly LaneInfo[], optimizer: string, lr: number): Record<string, number> {
  return Object.fromEntries(lanes.map((lane) => [lane.optimizer, lane.optimizer === optimizer ? lr : lane.lr]));
}

/** One rate for all that stands in for many: the geometric mean in one digit. */
export function shared(rates: readonly number[]): number {
  if (!rates.length) return 0.01;
  const mean = Math.exp(rates.reduce((sum, rate) => sum + Math.log(rate), 0) / rates.length);
  return Number(mean.toPrecision(1));
}
