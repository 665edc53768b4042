import { computed, signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { isStill } from "../../app/theme.ts";
import { Chart } from "../../chart/chart.tsx";
import type { ChartData, Line } from "../../chart/types.ts";
import { Select, Slider } from "../../controls/fields.tsx";
import { Problem } from "../../controls/problem.tsx";
import { Swatch } from "../../controls/swatch.tsx";
import { floats } from "../../pure/base64.ts";
import { number, whole } from "../../pure/format.ts";
import { placeAt, standings } from "./curves.ts";
import { ALL, choices, evaluationLines, isOneOfMany, lanesOf } from "./lanes.ts";
import type { Source } from "./source.ts";
import type { EntrantView, LaneEvaluations, Measure, RecordView } from "./types.ts";

const PLAY_MS = 6000;

interface Curve {
  entrant: EntrantView;
  median: Float32Array;
  low: Float32Array;
  high: Float32Array;
}

/** The evaluations of the fresh seeds, and the race again from its start: who leads at each step. */
export function Scrubbed({ view, source }: { view: RecordView; source: Source }) {
  const chosen = useSignal(0);
  const shown = useSignal(ALL);
  const found = useSignal<LaneEvaluations | null>(null);
  const problem = useSignal("");
  const measure = (view.measures[chosen.value] ?? view.measures[0]) as Measure;
  const steps = measure.steps;
  const curves = useMemo(() => curvesOf(view, measure), [view, measure]);
  const at = useMemo(() => signal(steps.length - 1), [measure]);
  const isPlaying = useSignal(false);
  const timer = useRef(0);
  const stop = () => {
    clearInterval(timer.current);
    isPlaying.value = false;
  };
  useEffect(() => stop, [measure]);
  const entrant = shown.value === ALL ? -1 : Number(shown.value);
  useEffect(() => {
    let isOld = entrant < 0;
    found.value = null;
    problem.value = "";
    if (!isOld)
      source.evaluations(measure, lanesOf(view, entrant)).then(
        (lanes) => isOld || (found.value = lanes),
        (error: Error) => isOld || (problem.value = error.message),
      );
    return () => {
      isOld = true;
    };
  }, [view, measure, entrant]);
  const play = () => {
    if (isPlaying.value) return stop();
    if (at.value >= steps.length - 1) at.value = 0;
    isPlaying.value = true;
    timer.current = window.setInterval(
      () => {
        at.value = Math.min(at.value + 1, steps.length - 1);
        if (at.value >= steps.length - 1) stop();
      },
      Math.max(isStill.value ? 500 : 33, PLAY_MS / steps.length),
    );
  };
  const isRanked = measure.metric === view.metric && measure.split === view.split;
  const drawn = entrant >= 0 && found.value ? [floats(found.value.values)] : curves.map((curve) => curve.low);
  const isLog = drawn.every((values) => values.every((value) => !(value <= 0)));
  const linesAt = (place: number): Line[] =>
    entrant < 0
      ? curves.map((curve) => ({ ...lineOf(curve, steps, place), isFaint: isOneOfMany(view, view.entrants.indexOf(curve.entrant)) }))
      : found.value
        ? evaluationLines(view, entrant, found.value, place < steps.length - 1 ? (steps[place] as number) : Infinity)
        : [];
  const data = useMemo(
    () =>
      computed<ChartData>(() => ({
        lines: linesAt(at.value),
        x: { label: "step", isLog: (steps.at(-1) ?? 0) > 20 },
        y: { label: `${measure.split} ${measure.metric}`, isLog },
        marks: [
          ...(isRanked && view.target !== null ? [{ along: "y" as const, at: view.target, label: `target ${number(view.target)}` }] : []),
          ...(at.value < steps.length - 1 ? [{ along: "x" as const, at: steps[at.value] as number, label: `step ${whole(steps[at.value] as number)}` }] : []),
        ],
      })),
    [curves, at, entrant, found.value],
  );
  const standing = standings(curves, at.value, isRanked && view.higher_is_better);
  const [first, second] = standing;
  const said = `At step ${whole(steps[at.value] ?? 0)} ${first ? `${first.curve.entrant.name} leads with ${number(first.value)}${second ? `, before ${second.curve.entrant.name} with ${number(second.value)}` : ""}` : "nobody has a value"}`;
  return (
    <section aria-label="Evaluations">
      <h2>{view.kind === "race" ? "The race" : "Measured"}</h2>
      <div class="chosen">
        {view.measures.length > 1 && (
          <Select
            label="Measured"
            value={String(chosen.value)}
            options={view.measures.map((one, place) => ({ value: String(place), label: `${one.metric} on ${one.split}` }))}
            onChange={(value) => (chosen.value = Number(value))}
          />
        )}
        {view.kind === "race" && (
          <Select label="Evaluations of" value={shown.value} options={choices(view, "all entrants: median and range")} onChange={(value) => (shown.value = value)} />
        )}
      </div>
      <Problem text={problem.value} />
      <div class="race">
        <Chart
          title={`${measure.metric} on ${measure.split}${entrant >= 0 ? `: every lane of ${view.entrants[entrant]?.name}, strong the fresh seeds at its ranked rate` : view.kind === "race" ? ": median and range of the fresh seeds" : ""}`}
          summary={`${said}.`}
          data={data}
          height={360}
          onPick={(x) => (at.value = Math.max(0, placeAt(steps, Math.round(x))))}
        />
        <ol class="standing" aria-label={`At step ${whole(steps[at.value] ?? 0)}`}>
          {standing.map(({ curve, value, isOut }) => (
            <li key={curve.entrant.name}>
              <Swatch style={curve.entrant.style} />
              <span>{curve.entrant.name}</span>
              <span class="number">{isOut ? "diverged" : number(value, 4)}</span>
            </li>
          ))}
        </ol>
      </div>
      <div class="scrub">
        <button type="button" class="main" onClick={play}>
          {isPlaying.value ? "Pause" : "Play the race"}
        </button>
        <Slider
          label="Step"
          value={at.value}
          low={0}
          high={Math.max(1, steps.length - 1)}
          isWhole
          shown={(place) => `step ${whole(steps[place] ?? 0)}`}
          onChange={(place) => {
            stop();
            at.value = Math.min(place, steps.length - 1);
          }}
        />
      </div>
    </section>
  );
}

function curvesOf(view: RecordView, measure: Measure): Curve[] {
  return measure.bands.map((band) => ({
    entrant: view.entrants[band.entrant] as EntrantView,
    median: floats(band.median),
    low: floats(band.low),
    high: floats(band.high),
  }));
}

function lineOf({ entrant, median, low, high }: Curve, steps: number[], at: number): Line {
  const cut = (values: Float32Array) => Array.from(values, (value, place) => (place <= at ? value : Number.NaN));
  const last = lastFinite(median, at);
  const isOut = last < at && last < steps.length - 1;
  return {
    key: entrant.name,
    label: entrant.name,
    style: entrant.style,
    x: steps,
    y: cut(median),
    band: { low: cut(low), high: cut(high) },
    stop: isOut ? { x: steps[Math.max(0, last)] as number, note: "half its seeds diverged" } : undefined,
  };
}

function lastFinite(values: Float32Array, at: number): number {
  let place = Math.min(at, values.length - 1);
  while (place >= 0 && !Number.isFinite(values[place])) place--;
  return place;
}
