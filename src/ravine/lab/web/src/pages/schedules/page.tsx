import { computed } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { setQuery } from "../../app/route.ts";
import { Chart } from "../../chart/chart.tsx";
import type { ChartData } from "../../chart/types.ts";
import { Part, Select } from "../../controls/fields.tsx";
import { Swatch } from "../../controls/swatch.tsx";
import { useAnswer } from "../figure/answer.ts";
import { type Figure, FigurePage } from "../figure/figure.tsx";
import { type Field, TextBox, valueOf } from "../figure/fields.tsx";
import { seriesStyle } from "../figure/series.ts";
import { rate } from "../../pure/format.ts";

interface View {
  schedule: { name: string; formula: string };
  lr: number;
  steps: number[];
  rates: number[];
}
type Found = Figure<{ schedules: View[] }, { titles: string[]; warmup: number }>;

const CHOSEN: Field = { key: "schedules", label: "Schedules", kind: "text", usual: "cosine;linear;one_cycle" };
const FIELDS: Field[] = [
  { key: "horizon", label: "Steps in all", kind: "whole", usual: "400", low: 2, high: 5000 },
  { key: "warmup", label: "Warm-up", kind: "number", usual: "0", high: 4999, hint: "Steps, or a share below 1." },
  { key: "lr", label: "Peak rate", kind: "number", usual: "0.001", low: 1e-9, high: 1e3 },
];

/** Schedules of the learning rate side by side. */
export function Schedules() {
  const value = valueOf(CHOSEN);
  const set = (text: string) => setQuery({ schedules: text === CHOSEN.usual ? "" : text });
  const known = useAnswer<{ schedules: Record<string, Record<string, string>> }>("/api/figures").found?.schedules ?? {};
  const last = value.split(";").pop()?.split(":")[0] ?? "";
  const first = (
    <Part name="schedules">
      <TextBox
        label="Schedules, a semicolon between them"
        value={value}
        hint={known[last] ? `${last} takes ${Object.keys(known[last] ?? {}).join(", ")}; write ${last}:name=value.` : "Settings follow a colon: cosine:floor=0.1."}
        onChange={set}
      />
      <Select
        label="Add one"
        value=""
        options={["", ...Object.keys(known)].map((name) => ({ value: name, label: name || "choose …" }))}
        onChange={(name) => name && set(`${value};${name}`)}
      />
    </Part>
  );
  return (
    <FigurePage<Found>
      name="schedules"
      title="Schedules"
      lead="The rate at every step. Notice how long a schedule stays near its peak, and that all but a few end near zero."
      fields={FIELDS}
      first={first}
    >
      {(found) => <Curves found={found} />}
    </FigurePage>
  );
}

function Curves({ found }: { found: Found }) {
  const { titles, warmup } = found.drawn;
  const views = found.numbers.schedules;
  const data = useMemo(
    () =>
      computed<ChartData>(() => ({
        lines: views.map((view, place) => ({
          key: `${place}`,
          label: view.schedule.name,
          style: seriesStyle(place),
          x: views[0]?.steps ?? [],
          y: view.rates,
        })),
        x: { label: "step" },
        y: { label: "learning rate", low: 0 },
        marks: warmup ? [{ along: "x", at: warmup, label: "warm-up ends" }] : [],
      })),
    [found],
  );
  const said = views.map((view, place) => `${titles[place]} ends at ${rate(view.rates.at(-1))}`).join("; ");
  return (
    <>
      <Chart title="Learning rate" summary={`${said}.`} data={data} height={360} />
      <dl class="note formulas">
        {views.map((view, place) => (
          <div key={place}>
            <dt>
              <Swatch style={seriesStyle(place)} /> {titles[place]}
            </dt>
            <dd class="quiet">
              <code>{view.schedule.formula}</code>
            </dd>
          </div>
        ))}
      </dl>
      <p class="quiet note">The rate is the peak times the formula. In it, s counts steps from the end of the warm-up, and x is their share: 0 there, 1 one step after the last.</p>
    </>
  );
}
