import { computed } from "@preact/signals";
import { useEffect, useMemo, useState } from "preact/hooks";
import { announce } from "../../app/announce.ts";
import { loadCatalogue, styleOf } from "../../app/catalogue.ts";
import { route, setQuery } from "../../app/route.ts";
import { isStill } from "../../app/theme.ts";
import { Chart } from "../../chart/chart.tsx";
import type { ChartData } from "../../chart/types.ts";
import { Choices, NumberBox, Part, Select, Slider } from "../../controls/fields.tsx";
import { floats } from "../../pure/base64.ts";
import { number, rate } from "../../pure/format.ts";
import { useAnswer } from "../figure/answer.ts";
import { type Figure, FigurePage, Key, Table } from "../figure/figure.tsx";
import { type Field, TextBox, valueOf } from "../figure/fields.tsx";
import type { MapData } from "./map.ts";
import { MapView } from "./view.tsx";
import { type Outcome, arrival, told } from "./words.ts";

interface Path extends Outcome {
  lr: number;
  positions: [number, number][];
  final_distance: number | null;
  overshoot: number | null;
  length: number | null;
  turns: number;
}
type Point = [number, number];
type Found = Figure<
  {
    surface: { name: string; formula: string; domain: [Point, Point]; minima: Point[]; start: Point };
    protocol: { steps: number; sentence: string; tuned: boolean };
    paths: Path[];
  },
  { heights: { rows: number; columns: number; values: string }; tried: { optimizer: string; lr: number; final_height: number | null }[] }
>;

const OFFERED = ["sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adam", "adamw", "lion", "muon"];
const NAME: Field = { key: "name", label: "Surface", kind: "text", usual: "ravine" };
const FIELDS: Field[] = [
  { key: "optimizers", label: "Optimisers", kind: "many", usual: "sgd,momentum,rmsprop,adam,lion", options: OFFERED, styles: styleOf },
  { key: "lr", label: "One shared rate", hint: "Shared rate", kind: "own", usual: "", low: 0.05, high: 1e3 },
  { key: "steps", label: "Steps", kind: "whole", usual: "200", low: 1, high: 5000 },
  { key: "noise", label: "Noise on gradients", kind: "number", usual: "0", high: 1e3 },
  { key: "seed", label: "Seed of the noise", kind: "whole", usual: "0" },
];

/** Optimisers race over a function of two numbers. */
export function Surface() {
  // Styles belong to the catalogue: the map waits until it is there, or cannot be had.
  const [isReady, setReady] = useState(false);
  useEffect(() => {
    const ready = () => setReady(true);
    void loadCatalogue().then(ready, ready);
  }, []);
  const known = useAnswer<{ surfaces: { name: string }[] }>("/api/figures").found?.surfaces.map((one) => one.name) ?? [];
  const name = valueOf(NAME);
  const isOwn = known.length > 0 && !known.includes(name);
  const set = (text: string) => setQuery({ name: text === NAME.usual ? "" : text, start: "", domain: "" });
  const first = (
    <Part name="name">
      <Select
        label="Surface"
        value={isOwn ? OWN : name}
        options={[...(known.length ? known : [name]).map((one) => ({ value: one, label: one.replaceAll("_", " ") })), { value: OWN, label: "your own" }]}
        onChange={(value) => set(value === OWN ? "x^2 + 3*y^2" : value)}
      />
      {isOwn && <TextBox label="Formula in x and y" value={name} hint="Or ravine:condition=100,angle=30." onChange={set} />}
    </Part>
  );
  return (
    <FigurePage<Found>
      name="surface"
      title="Surface"
      lead="The same start for all, and only the update rule differs. Notice who crosses the valley, who follows it, and what one shared rate changes."
      fields={FIELDS}
      first={first}
    >
      {(found) => isReady && <Race found={found} />}
    </FigurePage>
  );
}

const OWN = "=";

function Race({ found }: { found: Found }) {
  const { surface, paths, protocol } = found.numbers;
  const data = useMemo<MapData>(() => {
    const { rows, columns, values } = found.drawn.heights;
    const ways = paths.map((path) => ({
      label: path.optimizer,
      style: styleOf(path.optimizer),
      positions: path.positions,
      isBroken: path.diverged_at !== null,
    }));
    return { domain: surface.domain, grid: { rows, columns, values: floats(values) }, minima: surface.minima, ways };
  }, [found]);
  const { step, setStep, isPlaying, play } = usePlay(protocol.steps, found);
  const [speed, setSpeed] = useSpeed();
  const start = startOf(route.value.query.start) ?? surface.start;
  const pick = ([x, y]: Point) => setQuery({ start: `${tidy(x)},${tidy(y)}` });
  const said = told(paths);
  useEffect(() => announce(said), [said]);
  return (
    <>
      <MapView
        data={data}
        step={step}
        start={start}
        onPick={pick}
        label={`${surface.name}. ${said} Click, or move the start with the arrow keys; it is at ${number(start[0])}, ${number(start[1])}.`}
      />
      <div class="relief-play">
        <Part name="play">
          <button type="button" class="main" onClick={() => play(speed)}>
            {isPlaying ? "Pause" : "Play"}
          </button>
        </Part>
        <Part name="step">
          <button type="button" onClick={() => setStep(Math.min(protocol.steps, step + 1))}>
            One step
          </button>
        </Part>
        <Part name="speed">
          <Choices label="Speed" value={speed} options={SPEEDS} onChange={setSpeed} />
        </Part>
        <Part name="scrub">
          <Slider label="Step" value={step} low={0} high={protocol.steps} isWhole shown={String} onChange={setStep} />
        </Part>
      </div>
      <p class="note">{said}</p>
      <Part name="start">
        <p class="hint">Click the map, or use the arrow keys in it, to start elsewhere.</p>
        <div class="relief-pair">
          <NumberBox label="Start: x" value={start[0]} low={-1e6} high={1e6} onChange={(x) => pick([x, start[1]])} />
          <NumberBox label="Start: y" value={start[1]} low={-1e6} high={1e6} onChange={(y) => pick([start[0], y])} />
        </div>
      </Part>
      <Table
        caption={`${surface.formula.replaceAll("**", "^")}: steps until it stays at a minimum, and the way there`}
        heads={["optimiser", "rate", "steps", "final distance", "overshoot", "length", "turns"]}
        rows={paths.map((path) => [
          path.optimizer,
          rate(path.lr),
          arrival(path),
          number(path.final_distance),
          path.overshoot === null ? "–" : `${Math.round(100 * path.overshoot)} %`,
          number(path.length),
          String(path.turns),
        ])}
      />
      <p class="quiet note">Protocol: {protocol.sentence}.</p>
      <Part name="rates">{protocol.tuned && <Rates found={found} />}</Part>
    </>
  );
}

/** Which rates an optimiser can be run at. */
function Rates({ found }: { found: Found }) {
  const data = useMemo(() => {
    const { tried } = found.drawn;
    const rates = [...new Set(tried.map((one) => one.lr))].sort((a, b) => a - b);
    return computed<ChartData>(() => ({
      lines: found.numbers.paths.map(({ optimizer }) => ({
        key: optimizer,
        label: optimizer,
        style: styleOf(optimizer),
        x: rates,
        y: rates.map((lr) => tried.find((one) => one.optimizer === optimizer && one.lr === lr)?.final_height ?? null),
      })),
      x: { label: "learning rate", isLog: true },
      y: { label: "mean height at the end", isLog: true, low: 1e-16 },
    }));
  }, [found]);
  const said = "Notice how wide each valley of good rates is; where a line ends, the path diverged.";
  return (
    <>
      <Chart title="Every rate that was tried" summary={said} data={data} height={260} />
      <Key lines={data.value.lines} isSpare />
      <p class="quiet note">{said}</p>
    </>
  );
}

const SPEEDS = [
  { value: "0.2", label: "slow" },
  { value: "1", label: "1×" },
  { value: "5", label: "fast" },
];

function useSpeed() {
  return useState("1");
}

const WHOLE_S = 8;
const STILL_MS = 500;

/** The step that is shown: the last one until Play, which takes eight seconds for the whole at its usual speed. */
function usePlay(steps: number, found: unknown) {
  const [step, setStep] = useState(steps);
  const [playing, setPlaying] = useState("");
  useEffect(() => {
    setStep(steps);
    setPlaying("");
  }, [found]);
  useEffect(() => {
    if (!playing) return;
    let frame = 0;
    let place = step >= steps ? 0 : step;
    let shown = 0;
    let before = performance.now();
    const go = (now: number) => {
      place = Math.min(steps, place + ((now - before) / 1000 / WHOLE_S) * steps * Number(playing));
      before = now;
      // Whoever asked for little motion sees two pictures a second.
      if (!isStill.value || now - shown > STILL_MS || place === steps) {
        setStep(Math.floor(place));
        shown = now;
      }
      if (place < steps) frame = requestAnimationFrame(go);
      else {
        setPlaying("");
        announce(`All ${steps} steps shown.`);
      }
    };
    frame = requestAnimationFrame(go);
    return () => cancelAnimationFrame(frame);
  }, [playing]);
  return { step, setStep, isPlaying: playing !== "", play: (speed: string) => setPlaying(playing ? "" : speed) };
}

function startOf(text: string | undefined): Point | null {
  const [x, y] = (text ?? "").split(",").map(Number);
  return text && Number.isFinite(x) && Number.isFinite(y) ? [x as number, y as number] : null;
}

function tidy(value: number): string {
  return String(Number(value.toPrecision(4)));
}
