import type { Line } from "../../chart/types.ts";
import { floats } from "../../pure/base64.ts";
import { rate, whole } from "../../pure/format.ts";
import type { EntrantView, LaneEvaluations, RecordView } from "./types.ts";

export const ALL = "all";
/** Lines of which each has its marks and a label at its end; of more lanes only those that are ranked, of more entrants the first. */
const FEW = 12;

/** Whether an entrant is one too many to be named in a chart of all. */
export function isOneOfMany(view: RecordView, entrant: number): boolean {
  return entrant >= FEW && view.entrants.length > FEW;
}

/** What is said where some are not named in it; empty where all are. */
export function fewSaid(view: RecordView): string {
  return view.entrants.length > FEW ? ` Named at their ends: the first ${FEW} of ${view.entrants.length}; the cursor reads all.` : "";
}

/** The lanes of an entrant. */
export function lanesOf(view: RecordView, entrant: number): number[] {
  return view.lanes.lane.filter((_, place) => view.lanes.entrant[place] === entrant);
}

/** How a lane of an entrant is drawn and called; `broken` is a loss that is not finite, where one is known. */
export function dressed(view: RecordView, entrant: number): (lane: number, broken: number | null) => Omit<Line, "x" | "y"> {
  const { name, style, lanes } = view.entrants[entrant] as EntrantView;
  const own = view.lanes;
  const ranked = new Set(lanes);
  const places = new Map(own.lane.map((lane, place) => [lane, place]));
  const isCrowd = !ranked.size && lanesOf(view, entrant).length > FEW;
  return (lane, broken) => {
    const place = places.get(lane) as number;
    const ended = own.status[place] === "diverged" ? (own.ended_at[place] ?? broken) : broken;
    const isFaint = isCrowd || (ranked.size > 0 && !ranked.has(lane));
    const label = isFaint || ranked.size > 6 || !ranked.size ? `lane ${lane}, lr ${rate(own.lr[place])}, seed ${own.seed[place]}` : `seed ${own.seed[place]}`;
    return { key: `${name} ${lane}`, label, style: isFaint ? { ...style, dash: [] } : style, isFaint, stop: ended === null ? undefined : { x: ended, note: `diverged at ${whole(ended)}` } };
  };
}

/** What of an entrant or of all can be shown, for a choice of which the first says `all`. */
export function choices(view: RecordView, all: string): { value: string; label: string }[] {
  return [{ value: ALL, label: all }, ...view.entrants.map((one, place) => ({ value: String(place), label: `every lane of ${one.name}` }))];
}

/** The evaluations of an entrant's lanes one by one, up to a step. */
export function evaluationLines(view: RecordView, entrant: number, found: LaneEvaluations, until: number): Line[] {
  const values = floats(found.values);
  const dress = dressed(view, entrant);
  const own = new Set(lanesOf(view, entrant));
  return found.lanes.flatMap((lane, row) => {
    if (!own.has(lane)) return [];
    const x: number[] = [];
    const y: number[] = [];
    // Lanes are not all evaluated at the same steps: one without a value here is no gap.
    found.steps.forEach((step, place) => {
      const value = values[row * found.steps.length + place] as number;
      if (step > until || Number.isNaN(value)) return;
      x.push(step);
      y.push(value);
    });
    const line = dress(lane, null);
    return [{ ...line, x, y, stop: line.stop && line.stop.x <= until ? line.stop : undefined }];
  });
}
