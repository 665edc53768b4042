import { get, replay } from "../../net/api.ts";
import { type Bands, bandsOf, bandsWithin, type Range, type Trail, around, runs, trailsOf, within } from "./curves.ts";
import type { LaneCurves, LaneEvaluations, LossBands, Measure, RecordView, ReplayData } from "./types.ts";

const COLUMNS = 400;
const LEAST_COLUMNS = 60;
// Of all lanes together: what a browser without a GPU draws without a wait.
const LANE_COLUMNS = 10_000;

/** Where a record comes from: the lab's server, or the report that it stands in. */
export interface Source {
  view(): Promise<RecordView>;
  /** Of a range, or all; finer the less is shown. */
  bands(range: Range | null, steps: number): Promise<Bands>;
  lanes(numbers: readonly number[], range: Range | null, steps: number): Promise<Trail[]>;
  /** Of one of the view's measures, lane by lane; a report has those of other lanes with them. */
  evaluations(measure: Measure, numbers: readonly number[]): Promise<LaneEvaluations>;
  /** The winner as a script; null where the view has what there is. */
  script(): Promise<{ text: string; note: string }> | null;
  /** What is not here; empty where everything is. */
  kept: string;
}

export function served(id: string): Source {
  const base = `/api/records/${encodeURIComponent(id)}`;
  const window = (range: Range | null, steps: number, columns = COLUMNS) => {
    if (!range) return `columns=${columns}`;
    const [start, stop] = around(range, steps);
    return `columns=${2 * columns}&start=${start}&stop=${stop}`;
  };
  return {
    view: () => get<RecordView>(base),
    bands: async (range, steps) => bandsOf(await get<LossBands>(`${base}/bands?${window(range, steps)}`)),
    lanes: async (numbers, range, steps) => {
      const columns = Math.max(LEAST_COLUMNS, Math.min(COLUMNS, Math.floor(LANE_COLUMNS / numbers.length)));
      return trailsOf(await get<LaneCurves>(`${base}/curves?lanes=${runs(numbers)}&${window(range, steps, columns)}`));
    },
    evaluations: ({ split, metric }, numbers) =>
      get<LaneEvaluations>(`${base}/evaluations?${new URLSearchParams({ split, metric, lanes: runs(numbers) })}`),
    script: () => get<{ text: string; note: string }>(`${base}/recipe`),
    kept: "",
  };
}

/** The record inside a report; null where there is none. */
export function inlined(): Source | null {
  const data = replay as ReplayData | null;
  if (data?.kind !== "record") return null;
  const trails = new Map(trailsOf(data.curves).map((trail) => [trail.lane, trail]));
  return {
    view: async () => data.view,
    bands: async (range) => (range && bandsWithin(data.view, trails, range, 2 * COLUMNS)) || bandsOf(data.bands),
    lanes: async (numbers, range, steps) =>
      numbers.flatMap((lane) => trails.get(lane) ?? []).map((trail) => (range ? within(trail, around(range, steps)) : trail)),
    evaluations: async (measure) => data.evaluations[data.view.measures.indexOf(measure)] as LaneEvaluations,
    script: () => null,
    kept: data.kept,
  };
}
