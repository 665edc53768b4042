import { computed, signal } from "@preact/signals";
import { Chart } from "../../chart/chart.tsx";
import type { ChartData, Line, LineStyle } from "../../chart/types.ts";
import { Part, Slider, Switch } from "../../controls/fields.tsx";
import { Swatch } from "../../controls/swatch.tsx";
import { betaOf } from "../../pure/smoothing.ts";
import { example } from "./example.ts";

const STYLES: Record<string, LineStyle> = {
  calm: { colour: { light: "#0072B2", dark: "#0A85CA" }, dash: [], marker: "o" },
  noisy: { colour: { light: "#D55E00", dark: "#D55E00" }, dash: [5, 1.5], marker: "s" },
  broken: { colour: { light: "#009E73", dark: "#009E73" }, dash: [1.2, 1.2], marker: "^" },
};
const curves = example(2000);
const lines: Line[] = [
  { key: "calm", label: "one spike", style: STYLES.calm as LineStyle, x: curves.steps, y: curves.calm },
  { key: "noisy", label: "noisy", style: STYLES.noisy as LineStyle, x: curves.steps, y: curves.noisy },
  {
    key: "broken",
    label: "diverged",
    style: STYLES.broken as LineStyle,
    x: curves.steps,
    y: curves.broken,
    stop: { x: curves.brokeAt, note: `diverged at ${curves.brokeAt}` },
  },
];
const smoothing = signal(40);
const isLogX = signal(false);
const data = computed<ChartData>(() => ({
  lines,
  x: { label: "step", isLog: isLogX.value },
  y: { label: "loss", isLog: true },
  smoothing: betaOf(smoothing.value),
  marks: [{ along: "y", at: 0.02, label: "target 0.02" }],
}));

/** How the charts of every page are read, on one that needs no server. */
export function Reading() {
  return (
    <article class="prose">
      <h1>Reading the charts</h1>
      <p class="lead">
        Every step is kept. The faint line is what was measured; smoothing lies over it and never replaces it. The spike at step 1,200 lasts
        one step and stays visible at any width and zoom.
      </p>
      <Chart
        title="Three made-up losses"
        summary={`The noisy line levels off near 0.1; the third diverged at step ${curves.brokeAt}.`}
        data={data}
      />
      <Part name="smoothing">
        <Slider
          label="Smoothing"
          value={smoothing.value}
          low={0}
          high={100}
          isWhole
          shown={(value) => (value ? `about ${Math.round(1 / (1 - betaOf(value)))} steps` : "off")}
          onChange={(value) => (smoothing.value = value)}
        />
      </Part>
      <Switch label="Logarithmic steps" isOn={isLogX.value} onChange={(isOn) => (isLogX.value = isOn)} />
      <h2>What is drawn</h2>
      <ul class="plain">
        {lines.map((line) => (
          <li key={line.key}>
            <Swatch style={line.style} /> {line.label}: {TOLD[line.key]}
          </li>
        ))}
      </ul>
      <p>On every page an optimiser keeps its colour, its dash and its marker, so that none of the three is needed alone.</p>
      <p>
        Smoothing is an exponential mean without the pull of its first value, taken of the logarithm where
        the axis is logarithmic. The table below a chart holds the least and the greatest value of every column of it.
      </p>
      <h2>Keys in a chart</h2>
      <table class="keys">
        <tbody>
          {KEYS.map(([key, does]) => (
            <tr key={key}>
              <th scope="row">
                <kbd>{key}</kbd>
              </th>
              <td>{does}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </article>
  );
}

const TOLD: Record<string, string> = {
  calm: "a good run with one bad batch. The leap is a single step, and still there.",
  noisy: "batches differ, so the loss does. Smooth it to see where it goes.",
  broken: "a rate too high. The cross is where it ended; nothing is drawn behind it.",
};
const KEYS = [
  ["← →", "one step; with Shift ten"],
  ["↑ ↓", "the line before or after"],
  ["Home End", "first and last step"],
  ["+ −", "zoom in and out around the cursor; with the mouse, drag over a range"],
  ["0", "the whole curve; with the mouse, double-click"],
  ["Enter", "look at this step, where a page can go back"],
  ["Esc", "leave the chart"],
] as const;
