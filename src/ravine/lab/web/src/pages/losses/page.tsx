import { computed } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { Chart } from "../../chart/chart.tsx";
import type { ChartData } from "../../chart/types.ts";
import { type Figure, FigurePage, Key } from "../figure/figure.tsx";
import { type Field, spoken } from "../figure/fields.tsx";
import { seriesStyle } from "../figure/series.ts";
import { number } from "../../pure/format.ts";

interface Shape {
  values: number[];
  slopes: number[];
  logit_slopes: number[];
}
type Found = Figure<{ p: number[]; losses: Record<string, Shape> }>;

const LOSSES = ["cross_entropy", "squared", "absolute", "huber", "focal", "label_smoothed"];
const FIELDS: Field[] = [
  { key: "losses", label: "Losses", kind: "many", usual: LOSSES.join(), options: LOSSES, styles: (name) => seriesStyle(LOSSES.indexOf(name)) },
  { key: "gamma", label: "Focal: gamma", kind: "number", usual: "2", high: 20 },
  { key: "delta", label: "Huber: delta", kind: "number", usual: "0.5", low: 0.01, high: 1 },
  { key: "smoothing", label: "Smoothing: share", kind: "number", usual: "0.1", high: 0.99 },
  { key: "classes", label: "Classes", kind: "whole", usual: "2", low: 2, high: 100000 },
];
const PANELS = [
  ["logit_slopes", "What reaches the network: slope by the logit", "size of the slope"],
  ["values", "The loss", "loss"],
  ["slopes", "Slope by p", "size of the slope"],
] as const;

/** Losses of one example over the probability of what is true. */
export function Losses() {
  return (
    <FigurePage<Found>
      name="loss-shapes"
      title="Loss shapes"
      lead="A confident mistake lies at the left. Notice which losses still push there: only what reaches the logit moves the weights."
      fields={FIELDS}
    >
      {(found) => PANELS.map(([part, title, up]) => <Panel key={part} part={part} title={title} up={up} found={found} />)}
    </FigurePage>
  );
}

function Panel({ part, title, up, found }: { part: keyof Shape; title: string; up: string; found: Found }) {
  const isLog = part === "slopes";
  const { p, losses } = found.numbers;
  const data = useMemo(
    () =>
      computed<ChartData>(() => ({
        lines: Object.entries(losses).map(([name, shape]) => ({
          key: name,
          label: spoken(name),
          style: seriesStyle(LOSSES.indexOf(name)),
          x: p,
          y: shape[part].map(Math.abs),
        })),
        x: { label: "p of the true class", low: 0, high: 1 },
        y: { label: up, isLog, low: isLog ? 1e-2 : 0, high: isLog ? 300 : part === "values" ? 5 : undefined },
      })),
    [found],
  );
  const place = p.findIndex((x) => x >= 0.01);
  const lines = Object.entries(losses).map(([name, shape]) => ({
    label: spoken(name),
    style: seriesStyle(LOSSES.indexOf(name)),
    said: number(Math.abs(shape[part][place] ?? Number.NaN)),
  }));
  const said = lines.map((line) => `${line.label} ${line.said}`);
  return (
    <>
      <Chart title={title} summary={`At p = 0.01: ${said.join(", ")}.`} data={data} height={260} />
      <Key lead="At p = 0.01:" lines={lines} />
    </>
  );
}
