import { signal, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { Chart } from "../../chart/chart.tsx";
import type { ChartData, Line } from "../../chart/types.ts";
import { Select } from "../../controls/fields.tsx";
import { Problem } from "../../controls/problem.tsx";
import { counted } from "../../pure/format.ts";
import type { Bands, Range, Trail } from "./curves.ts";
import { ALL, choices, dressed, fewSaid, isOneOfMany, lanesOf } from "./lanes.ts";
import type { Source } from "./source.ts";
import type { EntrantView, RecordView } from "./types.ts";

/** Training losses: entrants as bands first, every lane of one of them on demand; the less is shown, the finer, down to every step. */
export function Losses({ view, source }: { view: RecordView; source: Source }) {
  const shown = useSignal(ALL);
  const range = useSignal<Range | null>(null);
  const problem = useSignal("");
  const summary = useSignal("");
  const data = useMemo(() => signal<ChartData>({ lines: [], x: { label: "step" }, y: { label: "training loss", isLog: true } }), []);
  const entrant = shown.value === ALL ? -1 : Number(shown.value);
  const zoomed = range.value;
  useEffect(() => {
    let isOld = false;
    const show = (lines: Line[], said: string) => {
      if (isOld) return;
      problem.value = "";
      summary.value = said;
      const isLog = lines.every((line) => every(line.y) && (!line.band || every(line.band.low)));
      data.value = { lines, x: { label: "step" }, y: { label: "training loss", isLog } };
    };
    const fail = (error: Error) => {
      if (!isOld) problem.value = error.message;
    };
    if (entrant < 0) source.bands(zoomed, view.steps).then((bands) => show(bandLines(view, bands), bandsSaid(view)), fail);
    else {
      const dress = dressed(view, entrant);
      const linesOf = (trails: readonly Trail[]) => trails.map(({ lane, steps, values, broken }) => ({ ...dress(lane, broken), x: steps, y: values }));
      source.lanes(lanesOf(view, entrant), zoomed, view.steps).then((trails) => show(linesOf(trails), lanesSaid(view, entrant, trails)), fail);
    }
    return () => {
      isOld = true;
    };
  }, [view, entrant, zoomed]);
  return (
    <section aria-label="Training losses">
      <h2>Training loss</h2>
      <p class="quiet prose">
        Zoom with a drag, the buttons or + and −: the narrower the range, the finer the lines, down to every step. A line is thinned by least and
        greatest only, so a spike of one step always shows. {source.kept}
      </p>
      <div class="narrow">
        <Select label="Show" value={shown.value} options={choices(view, "all entrants, as bands")} onChange={(value) => (shown.value = value)} />
      </div>
      <Problem text={problem.value} />
      <Chart title="Training loss" summary={summary.value} data={data} height={380} onZoom={(found) => (range.value = found)} />
      <p class="quiet">{summary.value}</p>
    </section>
  );
}

function every(values: ArrayLike<number | null>): boolean {
  return Array.from(values).every((value) => value === null || !(value <= 0));
}

function bandLines(view: RecordView, bands: Bands): Line[] {
  const ranked = bands.bands.some((band) => band.group === "ranked");
  return bands.bands
    .filter((band) => (band.group === "ranked") === ranked)
    .map((band) => {
      const entrant = view.entrants[band.entrant] as EntrantView;
      return { key: entrant.name, label: entrant.name, style: entrant.style, x: bands.steps, y: band.median, band, isFaint: isOneOfMany(view, band.entrant) };
    });
}

function bandsSaid(view: RecordView): string {
  const isRanked = view.entrants.some((entrant) => entrant.lanes.length > 0);
  const whose = isRanked ? "the fresh seeds at its ranked rate" : "all its lanes so far";
  return `Each band spans the least and the greatest loss of ${whose}; the line is the median over them.${fewSaid(view)}`;
}

function lanesSaid(view: RecordView, entrant: number, trails: readonly Trail[]): string {
  const own = view.lanes.status.filter((_, place) => view.lanes.entrant[place] === entrant);
  const diverged = own.filter((status) => status === "diverged").length;
  const exact = trails.filter((trail) => trail.isExact).length;
  const missing = own.length - trails.length;
  return (
    `${counted(own.length, "lane")} of ${view.entrants[entrant]?.name}, ${diverged || "none"} diverged. ` +
    `${view.entrants[entrant]?.lanes.length ? "Strong: the fresh seeds at the ranked rate. " : ""}Every step of ${exact} of them is drawn here` +
    `${missing ? `; ${counted(missing, "lane")} without a loss in this range or this file` : ""}.`
  );
}
