import assert from "node:assert/strict";
import { test } from "node:test";
import { seriesStyle } from "../src/pages/figure/series.ts";
import { arrival, told } from "../src/pages/surface/words.ts";
import { size } from "../src/pure/bytes.ts";
import { contour, shares } from "../src/pure/contours.ts";
import { rate } from "../src/pure/format.ts";
import { middle } from "../src/pure/median.ts";
import { logSplits, majors } from "../src/pure/ticks.ts";

const plane = (rows: number, columns: number, height: (x: number, y: number) => number) => ({
  rows,
  columns,
  values: Array.from({ length: rows * columns }, (_, place) => height(place % columns, Math.floor(place / columns))),
});

test("a contour of a slope is a straight line where the slope has that height", () => {
  const found = contour(
    plane(4, 6, (x) => x),
    2.25,
  );
  assert.equal(found.length, 3 * 4);
  for (let place = 0; place < found.length; place += 2) assert.equal(found[place], 2.25);
});

test("every point of a contour has the height of the contour", () => {
  const bowl = plane(21, 21, (x, y) => (x - 10) ** 2 + 2 * (y - 10) ** 2);
  const found = contour(bowl, 30);
  assert.ok(found.length >= 40);
  for (let place = 0; place < found.length; place += 2) {
    const [x, y] = [found[place] as number, found[place + 1] as number];
    assert.ok(Math.abs((x - 10) ** 2 + 2 * (y - 10) ** 2 - 30) < 1.1, `${x}, ${y}`);
  }
});

test("a saddle's cell has two pieces, and what has no height has none", () => {
  assert.equal(contour({ rows: 2, columns: 2, values: [1, 0, 0, 1] }, 0.5).length, 8);
  assert.deepEqual(contour({ rows: 2, columns: 2, values: [Number.NaN, Number.NaN, Number.NaN, 1] }, 0.5), []);
});

test("shares go from 0 at the lowest to 1 at the highest, and keep what is no number", () => {
  const found = shares({ rows: 1, columns: 6, values: [0, 1, 10, 100, Number.POSITIVE_INFINITY, Number.NaN] });
  assert.deepEqual(Array.from(found.slice(0, 5)), [0, 0, 0.5, 1, 1]);
  assert.ok(Number.isNaN(found[5]));
  assert.deepEqual(Array.from(shares({ rows: 1, columns: 2, values: [0, 0] })).map(Number.isFinite), [true, true]);
});

test("the sentence about a race names who arrives, in order, and who is lost", () => {
  const path = (optimizer: string, steps_to_minimum: number | null, diverged_at: number | null = null) => ({ optimizer, steps_to_minimum, diverged_at });
  const paths = [path("sgd", 70), path("adam", 12), path("lion", null), path("muon", null, 3)];
  assert.equal(told(paths), "adam is first to stay at a minimum, after 12 steps. Then come sgd (70). Diverged: muon at 3.");
  assert.equal(told([path("lion", null)]), "Nobody stays at a minimum.");
  assert.deepEqual(paths.map(arrival), ["70", "12", "not reached", "diverged at 3"]);
});

test("bytes are told in powers of a thousand", () => {
  assert.deepEqual([0, 12, 999, 1000, 1.98e9, 999_900].map(size), ["0 B", "12 B", "999 B", "1 kB", "1.98 GB", "1.00 MB"]);
});

test("the middle of an odd and of an even number of values", () => {
  assert.deepEqual([middle([3, 1, 2]), middle([4, 1, 3, 2]), middle([5])], [2, 2.5, 5]);
});

test("ticks of a log axis end, however small its numbers are", () => {
  const found = logSplits(4e-33, 1e-30);
  assert.deepEqual([found[0], found.at(-1), found.length], [4e-33, 1e-30, 6 + 9 + 9 + 1]);
  assert.deepEqual(logSplits(0.5, 3), [0.5, 0.6, 0.7, 0.8, 0.9, 1, 2, 3]);
  assert.ok(majors(logSplits(1e-40, 1)).filter((value) => value !== null).length <= 16);
});

test("a rate of nothing is 0", () => {
  assert.deepEqual([rate(0), rate(0.00012345), rate(32768, 6), rate(null)], ["0", "1.23e-4", "32768", "–"]);
});

test("two blues differ in their dash, and neighbours in colour, dash and marker", () => {
  const styles = Array.from({ length: 8 }, (_, place) => seriesStyle(place));
  assert.notDeepEqual(styles[5]?.dash, styles[0]?.dash);
  styles.slice(1).forEach((one, place) => assert.ok(one.colour.light !== styles[place]?.colour.light && one.dash !== styles[place]?.dash && one.marker !== styles[place]?.marker));
});
