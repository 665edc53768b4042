import assert from "node:assert/strict";
import { test } from "node:test";
import { pathsOf } from "../src/chart/dense.ts";
import { rangeOf } from "../src/chart/options.ts";
import { joined, Prepared } from "../src/chart/prepare.ts";
import { nearest, valueAt } from "../src/chart/readout.ts";
import type { ChartData, Line } from "../src/chart/types.ts";
import { rangeOfTarget } from "../src/pages/race/draw_tile.ts";
import { History } from "../src/pages/race/history.ts";
import { ranked, usualTarget } from "../src/pages/race/ranking.ts";
import { calmer, fixed, shared } from "../src/pages/race/rates.ts";
import { said } from "../src/pages/race/equation_words.ts";
import { phases } from "../src/pages/race/step_words.ts";
import { queryOf, settingOf } from "../src/pages/race/setting.ts";
import { caption, sentence, summary, type Scene, verdict } from "../src/pages/race/words.ts";
import { encodeFloats } from "../src/pure/base64.ts";
import { part } from "../src/pure/part.ts";
import type { Inspector, LaneInfo, Setting } from "../src/protocol.ts";

const PRESET: Setting = {
  task: "curve",
  task_options: { target: "two-bumps" },
  optimizers: ["sgd", "adam"],
  lrs: 0.1,
  schedule: "constant",
  seed: 7,
  width: 32,
  batch_size: null,
  steps: 1000,
  stop: {},
};
const lane = (place: number, optimizer: string, lr = 0.1): LaneInfo => ({ lane: place, optimizer, lr, hypers: {} });
const LANES = [lane(0, "sgd"), lane(1, "adam"), lane(2, "lion")];
const gone = (place: number, step: number) => ({ kind: "diverged" as const, revision: 1, lane: place, step, reason: "it rose", remedy: "lower it" });

test("a setting comes back from its address as it was", () => {
  const settings: Setting[] = [
    PRESET,
    { ...PRESET, task: "digits", task_options: {}, batch_size: 64, stop: { target: 0.1, plateau: 50 } },
    { ...PRESET, task_options: { target: "formula", formula: "sin(3*x) + x" }, lrs: "tuned", seed: 0 },
    { ...PRESET, lrs: { sgd: 0.5, "adamw+clip": 3e-4 }, optimizers: ["sgd", "adamw+clip"] },
  ];
  for (const setting of settings) assert.deepEqual(settingOf(queryOf(setting), PRESET), setting);
});

test("what an address cannot mean is as in the preset", () => {
  assert.deepEqual(settingOf({}, PRESET), PRESET);
  assert.deepEqual(settingOf({ t: "chess", s: "-3", n: "1.5", r: "sgd:,adam:x", w: "0" }, PRESET), PRESET);
});

test("a frame that comes twice, or overlaps, adds every step once", () => {
  const history = new History(2);
  history.add({ first: 0, losses: encodeFloats([1, 2, 3, 4]), evaluations: [{ step: 0, values: { loss: [1, 2] } }] });
  history.add({ first: 0, losses: encodeFloats([1, 2, 3, 4, 5, 6]), evaluations: [{ step: 0, values: { loss: [1, 2] } }] });
  assert.deepEqual(history.steps, [0, 1, 2]);
  assert.deepEqual(history.losses, [[1, 3, 5], [2, 4, 6]]);
  assert.deepEqual(history.evaluatedAt, [0]);
});

test("the loss at a step is the newest number at or before it", () => {
  const history = new History(1);
  history.add({ first: 0, losses: encodeFloats([4, 2, Number.NaN]), evaluations: [] });
  assert.deepEqual(history.lossAt(0, 5), { step: 1, loss: 2 });
  assert.deepEqual(history.lossAt(0, 0), { step: 0, loss: 4 });
  assert.equal(new History(1).lossAt(0, 3), null);
});

function raced(): History {
  const history = new History(3);
  const rows: [number, (number | null)[]][] = [[0, [1, 1, 1]], [10, [0.5, 0.09, 0.08]], [20, [0.2, 0.05, null]]];
  rows.forEach(([step, loss]) => history.evaluate({ step, values: { loss } }));
  history.diverged[2] = gone(2, 15);
  return history;
}

test("the ranking counts steps to the target and puts a lane that diverged last", () => {
  const places = ranked(raced(), LANES, 0.1, 20);
  assert.deepEqual(places.map((place) => [place.lane.optimizer, place.reached, place.diverged]), [["adam", 10, null], ["sgd", null, null], ["lion", 10, 15]]);
});

test("before the first step nobody is ahead", () => {
  assert.deepEqual(ranked(raced(), LANES, 0.1, 0).map((place) => place.rank), [1, 1, 1]);
});

test("looking back, the ranking knows nothing of what came later", () => {
  const places = ranked(raced(), LANES, 0.1, 10);
  assert.deepEqual(places.map((place) => [place.lane.optimizer, place.rank, place.diverged]), [["lion", 1, null], ["adam", 1, null], ["sgd", 3, null]]);
});

test("the usual target is a tenth of the start", () => {
  assert.equal(usualTarget(raced()), 0.1);
  assert.equal(usualTarget(new History(0)), 0.01);
});

const scene = (step: number, state: Scene["state"], lrs: Setting["lrs"] = 0.1): Scene => ({ state, step, steps: 20, target: 0.1, lrs, places: ranked(raced(), LANES, 0.1, step) });

test("one sentence says what to notice, and changes with the state", () => {
  assert.equal(caption(scene(0, "paused")), "Same network, same data, one rate of 0.1: three optimisers, as many fates? Press Play.");
  assert.match(caption(scene(0, "paused", "tuned")), /own tuned rate/);
  assert.equal(caption(scene(0, "preparing")), "Making identical copies of the network.");
  assert.equal(caption({ ...scene(0, "preparing"), message: "rates: 35% of 24 short trainings" }), "Rates: 35% of 24 short trainings.");
  assert.equal(sentence("its loss was inf"), "Its loss was inf.");
  assert.equal(sentence("Done."), "Done.");
  assert.equal(caption(scene(10, "running")), "lion was first at the target, at step 10; 2 of 3 are there.");
  assert.equal(caption(scene(20, "done")), "adam reached 0.1 first, at step 10; sgd did not get there; lion diverged at step 15.");
  assert.match(summary(scene(20, "done")), /adam leads with 0.0500. lion diverged at 15./);
});

test("when all have diverged the sentence says so", () => {
  const history = raced();
  history.diverged[0] = gone(0, 3);
  history.diverged[1] = gone(1, 9);
  const places = ranked(history, LANES, 0.1, 20);
  assert.equal(caption({ ...scene(20, "done"), places }), "All 3 diverged, the last at step 15: a smaller rate keeps them alive.");
  assert.equal(verdict("sgd", { ...scene(20, "done"), places }), "You said sgd. None survived.");
});

test("a guess is answered", () => {
  assert.equal(verdict("adam", scene(20, "done")), "You said adam, and so it was.");
  assert.equal(verdict("lion", scene(20, "done")), "You said lion; adam won, lion diverged at step 15.");
});

test("a lane that diverged gets its tuned rate if that is smaller, else what its remedy allows, else a tenth", () => {
  const tuned = (rate: number | null) => ({ protocol: "", steps: 1, by_optimizer: { sgd: { default: 0.1, tuned: rate, diverges_above: null, rates: [], losses: [] } } });
  assert.equal(calmer(lane(0, "sgd", 1), tuned(0.3), 1e-6), 0.3);
  assert.equal(calmer(lane(0, "sgd", 1), tuned(3), 1e-6), 0.1);
  assert.equal(calmer(lane(0, "sgd", 1), null, 0.5), 0.5);
  assert.equal(calmer(lane(0, "sgd", 30), null, 1e-6, "The rate is too high (lr=30). Use lr=0.316 or less, or a warm-up."), 0.316);
  assert.deepEqual(fixed(LANES, "lion", 0.01), { sgd: 0.1, adam: 0.1, lion: 0.01 });
  assert.equal(shared([0.1, 0.001]), 0.01);
});

const line = (key: string, x: number[], y: (number | null)[]): Line => ({ key, label: key, style: { colour: { light: "#000", dark: "#fff" }, dash: [], marker: "o" }, x, y });

test("smoothing never takes the raw line away, and what is no number is a gap in both", () => {
  const x = [0, 1, 2];
  const data: ChartData = { lines: [line("a", x, [1, Number.NaN, 4])], x: { label: "step" }, y: { label: "loss", isLog: true }, smoothing: 0.9 };
  const columns = new Prepared().columns(data);
  assert.equal(columns.length, 3);
  assert.deepEqual(columns[1], [1, null, 4]);
  assert.equal((columns[2] as (number | null)[])[1], null);
});

test("a line that grew is extended, and one that began anew is not mixed with the old", () => {
  const prepared = new Prepared();
  const x = [0];
  const y: number[] = [1];
  const data = (own: number[], steps: number[]): ChartData => ({ lines: [line("a", steps, own)], x: { label: "" }, y: { label: "" } });
  prepared.columns(data(y, x));
  x.push(1);
  y.push(2);
  assert.deepEqual(prepared.columns(data(y, x))[1], [1, 2]);
  assert.deepEqual(prepared.columns(data([9], [0]))[1], [9]);
});

test("lines of different x share one axis, with what to span told from what is a gap", () => {
  assert.deepEqual(joined([[[0, 2], [1, null]], [[1], [5]]]), [[0, 1, 2], [1, undefined, null], [undefined, 5, undefined]]);
});

test("an axis keeps to its bounds, and has a range with nothing to draw", () => {
  assert.deepEqual(rangeOf(null, null, { label: "", empty: [0, 50] }, 0), [0, 50]);
  assert.deepEqual(rangeOf(1, 1e30, { label: "", isLog: true, high: 100 }, 0), [1, 100]);
  assert.deepEqual(rangeOf(3, 3, { label: "" }, 0), [2.5, 3.5]);
  assert.deepEqual(rangeOf(0.001, 0.999, { label: "p", low: 0, high: 1 }, 0), [0, 1]);
});

test("a point is found by its x alone", () => {
  const own = line("a", [0, 5, 10], [1, 2, null]);
  assert.equal(nearest(own.x, 7), 1);
  assert.equal(valueAt(own, 5), 2);
  assert.equal(valueAt(own, 6), undefined);
});

test("a tile shows the target with room, whatever a lane predicts", () => {
  assert.deepEqual(rangeOfTarget([0, Number.NaN, 1]), [-0.25, 1.25]);
  assert.deepEqual(rangeOfTarget([]), [-1, 1]);
});

const inner = (gradient: (number | null)[], update: (number | null)[]): Inspector => ({
  gradient_norm: gradient,
  update_norm: update,
  m_norm: [null, 0.05, 0.1],
  v_norm: [null, 0.002, null],
  effective_lr: [],
  lr: [],
});

test("one step is told as gradient, state and update, and alike is said only of what is alike", () => {
  const names = ["sgd", "adam", "lion"];
  assert.deepEqual(phases(names, inner([0.5, 0.5, 0.5000001], [0.005, 0.01, 0.4])), [
    "The gradient comes in, alike for all: 0.500 long.",
    "sgd remembers nothing; the others take it into m, the direction, or v, the size.",
    "The weights move: lion furthest, by 0.400, 80 times as far as sgd.",
  ]);
  const [gradient, , update] = phases(names, inner([0.5, 0.25, null], [0, null, 0.4]));
  assert.equal(gradient, "The gradient comes in, on the same batch: 0.250 long at adam, 0.500 at sgd.");
  assert.equal(update, "The weights move: lion furthest, by 0.400; sgd stays.");
  assert.match(phases(names, inner([null, null, null], [null, null, null])).join(" "), /not a number.*did not move by a number/);
  assert.deepEqual(phases(["sgd"], inner([0.5], [0.1])), ["The gradient comes in: 0.500 long.", "sgd remembers nothing.", "The weights move by 0.100."]);
});

test("a bar tells orders of magnitude, and values that are alike have bars that are alike", () => {
  assert.deepEqual([part(1, [1, 100]), part(10, [1, 100]), part(100, [1, 100])].map((share) => share.toFixed(6)), ["0.080000", "0.540000", "1.000000"]);
  assert.ok(part(0.999, [0.999, 1]) > 0.99);
  assert.deepEqual([part(null, [1]), part(0, [0, 1]), part(Number.NaN, [1])], [0, 0, 0]);
});

/** What uPlot asks for a path of a line in a plot of `width` pixels by 100, y from 0 at the bottom to 10. */
function pathOf(values: (number | null)[], width: number): { stroke: string[]; fill: string[] } {
  class Recorded {
    readonly drawn: string[] = [];
    moveTo = (x: number, y: number) => this.drawn.push(`M${x} ${y}`);
    lineTo = (x: number, y: number) => this.drawn.push(`L${x} ${y}`);
    closePath = () => this.drawn.push("Z");
  }
  Object.assign(globalThis, { Path2D: Recorded });
  const last = values.length - 1;
  const plot = {
    bbox: { left: 0, top: 0, width, height: 100 },
    data: [values.map((_, step) => step), values],
    series: [{}, { width: 2 }],
    valToPos: (value: number, side: string) => (side === "x" ? (value * width) / last : 100 - 10 * value),
    posToVal: (pixel: number) => (pixel * last) / width,
  };
  const found = pathsOf(() => "red")(plot as never, 1, 0, last) as unknown as Record<"stroke" | "fill", Recorded>;
  return { stroke: found.stroke.drawn, fill: found.fill.drawn };
}

test("of more points than pixels the calm stretches are stroked, and a spike is filled whole, as wide as the line", () => {
  const values = Array.from({ length: 41 }, (_, step) => (step === 20 ? 9 : 1));
  const { stroke, fill } = pathOf(values, 4);
  assert.deepEqual(fill, ["M1 91", "L1 9", "L2 9", "L2 9", "L3 9", "L3 91", "L2 91", "L2 91", "L1 91", "Z"]);
  assert.deepEqual(stroke, ["M0 90", "L1 90", "L2 90", "M2 90", "L3 90", "L4 90"]);
});

test("neighbouring tall columns are one outline, and nothing is drawn across a gap", () => {
  const noisy = Array.from({ length: 40 }, (_, step) => (step % 2 ? 8 : 2));
  assert.deepEqual(pathOf(noisy, 4).stroke, ["M0 20"]);
  assert.equal(pathOf(noisy, 4).fill.filter((word) => word === "Z").length, 1);
  const broken = Array.from({ length: 41 }, (_, step) => (step > 12 && step < 28 ? null : 1));
  assert.deepEqual(pathOf(broken, 4), { stroke: ["M0 90", "L1 90", "M3 90", "L4 90"], fill: [] });
});

test("a steep way between columns is filled, turning as outlines do, and a gentle one stroked", () => {
  const { stroke, fill } = pathOf([1, 9, 1, 1], 12);
  assert.deepEqual(fill, ["M3 9", "L5 9", "L1 91", "L-1 91", "Z", "M3 9", "L5 9", "L9 91", "L7 91", "Z"]);
  assert.deepEqual(stroke, ["M0 90", "M4 10", "M8 90", "L12 90"]);
});

test("optimisers with the same equations share them, with the values of what stands in them", () => {
  const one = (name: string, formula: string, hypers: Record<string, number>) => ({ name, source: `S${name}`, formula, hypers });
  const found = said([
    one("sgd", "m <- momentum m + g", { momentum: 0, l2: 0 }),
    one("adam", "m <- beta1 m + g\np <- p - lr m / (1 - beta1^t)", { beta1: 0.9, eps: 1e-8 }),
    one("momentum", "m <- momentum m + g", { momentum: 0.9, l2: 0 }),
    one("bare", "p <- p - lr g", {}),
  ]);
  assert.deepEqual(found, [
    { title: "sgd, momentum", source: "Ssgd", text: "m <- momentum m + g\n\nsgd: momentum = 0\nmomentum: momentum = 0.9" },
    { title: "adam", source: "Sadam", text: "m <- beta1 m + g\np <- p - lr m / (1 - beta1^t)\n\nbeta1 = 0.9" },
    { title: "bare", source: "Sbare", text: "p <- p - lr g\n\nlr is all there is to set" },
  ]);
});
