import { computed } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { Chart } from "../../chart/chart.tsx";
import type { ChartData, Line } from "../../chart/types.ts";
import { listed, rate } from "../../pure/format.ts";
import { Sheet } from "./tables.tsx";
import type { EntrantView, Rates, RecordView } from "./types.ts";

/** What every rate came to; where the next higher one diverged a cross ends the line. */
export function RateChart({ view, rates }: { view: RecordView; rates: Rates }) {
  const lines = useMemo(() => rates.entrants.flatMap(({ entrant, points }) => lineOf(view.entrants[entrant] as EntrantView, points)), [view]);
  const isLog = lines.every((line) => Array.from(line.y).every((value) => value === null || value > 0));
  const data = useMemo(
    () =>
      computed<ChartData>(() => ({
        lines,
        x: { label: "learning rate", isLog: true },
        y: { label: `${rates.split} ${rates.metric}`, isLog },
      })),
    [lines],
  );
  const best = rates.entrants
    .filter((one) => one.ranked !== null)
    .map((one) => `${view.entrants[one.entrant]?.name} at ${rate(one.ranked)}`);
  const lost = rates.entrants.flatMap(({ entrant, points }) => {
    const found = points.filter((point) => point.status === "diverged").map((point) => point.lr);
    return found.length ? [`${view.entrants[entrant]?.name} from ${rate(Math.min(...found))}`] : [];
  });
  const said = `${best.length ? `Ranked: ${listed(best)}. ` : ""}${lost.length ? `Diverged: ${listed(lost)}.` : "No rate diverged."}`;
  if (!lines.length) return null;
  return (
    <section aria-label="Rate sensitivity">
      <h2>Rate sensitivity</h2>
      <Chart title={`Final ${rates.metric} on ${rates.split} by learning rate`} summary={said} data={data} height={320} />
      <p class="quiet">{said} Faint: what rates had come to that tuning ended early.</p>
      <Sheet table={view.tables.rates} />
    </section>
  );
}

function lineOf({ name, style }: EntrantView, points: Rates["entrants"][number]["points"]): Line[] {
  const of = (status: string) => points.filter((point) => point.status === status && point.value !== null);
  const line = (key: string, label: string, own: typeof points) => ({
    key,
    label,
    style,
    x: own.map((point) => point.lr),
    y: own.map((point) => point.value),
  });
  const [own, early] = [of("done"), of("culled")];
  const found: Line[] = early.length ? [{ ...line(`${name} early`, `${name}, ended early`, early), isFaint: true }] : [];
  const last = own[own.length - 1]?.lr;
  if (last === undefined) return found;
  const lost = points.find((point) => point.status === "diverged" && point.lr > last);
  const stop = lost ? { x: last, note: `diverges at ${rate(lost.lr)}` } : undefined;
  return [...found, { ...line(name, name, own), stop }];
}
