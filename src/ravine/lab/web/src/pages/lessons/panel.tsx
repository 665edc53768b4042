import { computed } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { catalogue, styleOf } from "../../app/catalogue.ts";
import { Chart } from "../../chart/chart.tsx";
import type { ChartData, LineStyle } from "../../chart/types.ts";
import { floats } from "../../pure/base64.ts";
import { number } from "../../pure/format.ts";
import { Key, Table } from "../figure/figure.tsx";
import { seriesStyle } from "../figure/series.ts";
import { MapView } from "../surface/view.tsx";

type Values = (number | null)[];
type Range = [number, number] | null;
interface Curve {
  name: string;
  x: number[];
  y: Values;
  low: Values | null;
  high: Values | null;
  is_broken: boolean;
}
export interface Panel {
  title: string;
  across: string;
  up: string;
  log_x: boolean;
  log_y: boolean;
  x_range: Range;
  y_range: Range;
  levels: Record<string, number>;
  ticks: Record<string, string>;
  curves: Curve[];
  bars: { label: string; value: number | null; low: number | null; high: number | null }[];
  contour: { domain: [[number, number], [number, number]]; rows: number; columns: number; values: string } | null;
}

/** A panel of a lesson's figure, drawn as the other pages draw: a chart, a map, or values with their intervals. */
export function PanelView({ panel }: { panel: Panel }) {
  if (panel.contour) return <Plane panel={panel} />;
  if (panel.bars.length)
    return (
      <Table
        caption={`${panel.title}${panel.up ? `: ${panel.up}` : ""}`}
        heads={["", "value", "interval"]}
        rows={panel.bars.map((bar) => [bar.label, number(bar.value), bar.low === null ? "" : `${number(bar.low)} to ${number(bar.high)}`])}
      />
    );
  return <Lines panel={panel} />;
}

function Lines({ panel }: { panel: Panel }) {
  const data = useMemo(
    () =>
      computed<ChartData>(() => ({
        lines: panel.curves.map((curve, place) => ({
          key: `${place} ${curve.name}`,
          label: curve.name,
          style: styled(curve.name, place),
          x: curve.x,
          y: curve.y,
          band: curve.low && curve.high ? { low: curve.low, high: curve.high } : undefined,
          stop: curve.is_broken ? { x: curve.x.at(-1) ?? 0, note: "ended early" } : undefined,
        })),
        x: { label: panel.across, isLog: panel.log_x, low: panel.x_range?.[0], high: panel.x_range?.[1] },
        y: { label: panel.up, isLog: panel.log_y, low: panel.y_range?.[0], high: panel.y_range?.[1] },
        marks: Object.entries(panel.levels).map(([label, at]) => ({ along: "y", at, label })),
      })),
    [panel],
  );
  const ticks = Object.entries(panel.ticks).map(([place, label]) => `${place} is ${label}`);
  const ends = panel.curves.map((curve) => `${curve.name} ends at ${number(curve.y.at(-1))}`).join("; ");
  return (
    <>
      <Chart title={panel.title} summary={`${ends}.`} data={data} height={280} />
      <Key lines={data.value.lines} isSpare />
      {ticks.length > 0 && <p class="quiet">{ticks.join(", ")}.</p>}
    </>
  );
}

function Plane({ panel }: { panel: Panel }) {
  const data = useMemo(() => {
    const { domain, rows, columns, values } = panel.contour as NonNullable<Panel["contour"]>;
    const ways = panel.curves.map((curve, place) => ({
      label: curve.name,
      style: styled(curve.name, place),
      positions: curve.x.map((x, at): [number, number] => [x, curve.y[at] ?? Number.NaN]),
      isBroken: curve.is_broken,
    }));
    return { domain, grid: { rows, columns, values: floats(values) }, minima: [], ways };
  }, [panel]);
  return (
    <figure class="chart">
      <figcaption>{panel.title}</figcaption>
      <MapView data={data} step={Infinity} label={`${panel.title}: ways of ${panel.curves.map((curve) => curve.name).join(", ")}`} />
    </figure>
  );
}

function styled(name: string, place: number): LineStyle {
  return catalogue.value?.optimizers.some((one) => one.name === name) ? styleOf(name) : seriesStyle(place);
}
