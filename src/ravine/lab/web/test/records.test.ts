import assert from "node:assert/strict";
import { test } from "node:test";
import { around, placeAt, runs, standings, trailsOf, within } from "../src/pages/records/curves.ts";
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
