import assert from "node:assert/strict";
import { test } from "node:test";
import { around, bandsWithin, placeAt, runs, standings, type Trail, trailsOf, within } from "../src/pages/records/curves.ts";
import { evaluationLines } from "../src/pages/records/lanes.ts";
import type { RecordView } from "../src/pages/records/types.ts";
import { encodeFloats } from "../src/pure/base64.ts";

const short = (values: number[]) => btoa(String.fromCharCode(...new Uint8Array(Uint16Array.from(values).buffer)));

const CURVES = {
  start: 100,
  stop: 200,
  columns: 2,
  lanes: [3, 8, 9],
  counts: [3, 2, 2],
  first: [100, 150, 100],
  is_exact: [false, true, false],
  broken: [null, null, 177],
  steps: short([0, 50, 99, 1, 98]),
  values: encodeFloats([1, 2, 3, 4, 5, 6, Number.NaN]),
};

test("thinned lanes stand on their own steps, exact ones on all from their first", () => {
  const trails = trailsOf(CURVES);
  assert.deepEqual(
    trails.map((trail) => [trail.lane, trail.steps, [...trail.values]]),
    [
      [3, [100, 150, 199], [1, 2, 3]],
      [8, [150, 151], [4, 5]],
      [9, [101, 198], [6, Number.NaN]],
    ],
  );
  assert.equal(trails[2]?.broken, 177);
});

test("a range keeps a point on either side, so that lines enter and leave", () => {
  const trail = { lane: 1, steps: [0, 10, 20, 30, 40], values: Float32Array.of(5, 4, 3, 2, 1), isExact: true, broken: null };
  assert.deepEqual(within(trail, [15, 25]).steps, [10, 20, 30]);
  assert.deepEqual([...within(trail, [15, 25]).values], [4, 3, 2]);
  assert.deepEqual(within(trail, [0, 40]).steps, trail.steps);
  assert.deepEqual(within(trail, [50, 60]).steps, [40]);
});

test("lanes are named in runs", () => {
  assert.equal(runs([7, 3, 4, 5, 4]), "3-5,7");
  assert.equal(runs([]), "");
});

test("the step looked at is the last that is not behind it", () => {
  assert.equal(placeAt([0, 10, 20], 15), 1);
  assert.equal(placeAt([5], 4), -1);
});

test("what is asked for is wider than what is shown and within the race", () => {
  assert.deepEqual(around([100, 200], 1000), [50, 251]);
  assert.deepEqual(around([0, 1000], 1000), [0, 1000]);
});

test("the best stands first, whoever is out stands last", () => {
  const curves = [{ median: [2, Number.NaN] }, { median: [1, 0.5] }, { median: [3, 0.1] }];
  const order = (at: number, isHigh: boolean) => standings(curves, at, isHigh).map(({ curve }) => curves.indexOf(curve as (typeof curves)[number]));
  assert.deepEqual(order(0, false), [1, 0, 2]);
  assert.deepEqual(order(0, true), [2, 0, 1]);
  assert.deepEqual(order(1, false), [2, 1, 0]);
});

// Two entrants: a has the lanes 0 and 1, of which 1 diverged at step 5, b the lane 2, and a tuned the lane 3.
const VIEW = {
  steps: 100,
  entrants: [
    { name: "a", style: { dash: [] }, lanes: [0, 1] },
    { name: "b", style: { dash: [] }, lanes: [2] },
  ],
  lanes: { lane: [0, 1, 2, 3], entrant: [0, 0, 1, 0], lr: [1, 1, 1, 2], seed: [1, 2, 1, 0], status: ["done", "diverged", "done", "done"], ended_at: [null, 5, null, null] },
} as unknown as RecordView;

const trail = (lane: number, values: number[]): [number, Trail] => [
  lane,
  { lane, steps: values.map((_, step) => step), values: Float32Array.from(values), isExact: true, broken: null },
];

test("bands of a range are made of the lanes: a spike of one step stays, and who diverged is the worst", () => {
  const falling = Array.from({ length: 100 }, (_, step) => 100 - step);
  const spiked = falling.with(53, 999);
  const trails = new Map([trail(0, spiked), trail(1, [7, 7, 7, 7, 7]), trail(2, falling)]);
  const found = bandsWithin(VIEW, trails, [40, 60], 4);
  assert.deepEqual(found?.steps, [39, 49, 59, 70]);
  const [a, b] = found?.bands ?? [];
  assert.equal(a?.high.filter((value) => value === 999).length, 1);
  assert.ok(a?.median.every(Number.isNaN), "of two lanes one is infinitely bad");
  assert.deepEqual([...(b?.median ?? [])], found?.steps.map((step) => 100 - step));
  assert.deepEqual([...(b?.low ?? [])], [...(b?.median ?? [])], "it falls, so the last of a column is its least");
  assert.equal(bandsWithin(VIEW, new Map([...trails].slice(1)), [40, 60], 4), null, "without every lane the file's own bands serve");
});

test("lanes stand on the steps at which they were evaluated, up to the one looked at", () => {
  const evaluations = { lanes: [0, 1, 2, 3], steps: [0, 4, 8], values: encodeFloats([3, 2, 1, 3, 9, NaN, 5, 5, 5, 3, NaN, 2]) };
  const lines = evaluationLines(VIEW, 0, evaluations, 4);
  assert.deepEqual(
    lines.map((line) => [line.label, line.x, line.y, line.isFaint, line.stop]),
    [
      ["seed 1", [0, 4], [3, 2], false, undefined],
      ["seed 2", [0, 4], [3, 9], false, undefined],
      ["lane 3, lr 2, seed 0", [0], [3], true, undefined],
    ],
  );
  const whole = evaluationLines(VIEW, 0, evaluations, Infinity);
  assert.equal(whole[1]?.stop?.note, "diverged at 5");
  assert.deepEqual(whole[2]?.x, [0, 8]);
});
