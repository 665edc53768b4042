import assert from "node:assert/strict";
import { test } from "node:test";
import { apart } from "../src/pure/apart.ts";
import { encodeFloats, floats } from "../src/pure/base64.ts";
import { columned } from "../src/pure/columns.ts";
import { moved } from "../src/pure/cursor.ts";
import { listed, number, power, rate, whole } from "../src/pure/format.ts";
import { formatRoute, parseRoute, takeToken } from "../src/pure/route.ts";
import { betaOf, Smoother } from "../src/pure/smoothing.ts";
import { thinned } from "../src/pure/thinning.ts";
import { logLabels, logSplits, majors, niceTicks } from "../src/pure/ticks.ts";

test("a spike of one step is kept at any width and any zoom", () => {
  for (const width of [1, 3, 50, 700])
    for (const at of [1, 499, 500, 998]) {
      const values = Array.from({ length: 1000 }, (_, step) => (step === at ? 9 : 1));
      assert.ok(thinned(values, width).includes(at), `${at} at ${width}`);
      assert.ok(thinned(values, width, Math.max(0, at - 100), Math.min(1000, at + 100)).includes(at));
    }
});

test("thinning keeps both ends, their order, and nothing that is no number", () => {
  const values = [Number.NaN, 3, null, 1, Number.POSITIVE_INFINITY, 2, 5, Number.NaN];
  const kept = thinned(values, 2);
  assert.deepEqual(kept, [1, 3, 5, 6]);
  assert.deepEqual(thinned([Number.NaN, null], 4), []);
  assert.deepEqual(thinned([7], 4), [0]);
});

test("thinning gives at most two points a column and both ends", () => {
  const values = Array.from({ length: 5000 }, (_, step) => Math.sin(step * 12.9898) * 43758.5453);
  assert.ok(thinned(values, 100).length <= 202);
});

test("the smoothed line of a constant is that constant from the first step on", () => {
  for (const value of new Smoother(0.99, false).extend([3, 3, 3])) assert.ok(Math.abs((value as number) - 3) < 1e-12);
});

test("smoothing is geometric where the axis is logarithmic", () => {
  const found = new Smoother(0.5, true).extend([1, 100]);
  // Weights one third and two thirds: 100 to the power two thirds.
  assert.ok(Math.abs((found[1] as number) - 100 ** (2 / 3)) < 1e-9);
});

test("smoothing leaves gaps where there is no number and goes on behind them", () => {
  const smoother = new Smoother(0.9, false);
  assert.deepEqual(smoother.extend([2, Number.NaN, null, 2]).map((value) => value === null), [false, true, true, false]);
  assert.equal(smoother.extend([2, Number.NaN, null, 2, 2]).length, 5);
  assert.equal(betaOf(0), 0);
  assert.ok(Math.abs(betaOf(100) - 0.999) < 1e-12);
});

test("floats come through base64 with their bits, NaN and infinity included", () => {
  const values = Float32Array.of(0.1, -3e38, Number.NaN, Number.POSITIVE_INFINITY, 0);
  assert.deepEqual([...floats(encodeFloats(values))], [...values]);
  assert.equal(floats("").length, 0);
  // What numpy's tobytes gives for [1.0, -2.5].
  assert.deepEqual([...floats("AACAPwAAIMA=")], [1, -2.5]);
  assert.deepEqual([...floats(`~${btoa("\0\0\0\0\x80\x20\x3f\xc0")}`)], [1, -2.5], "byte by byte");
});

test("an address holds a page, what it opens and settings, and comes back as it was", () => {
  const hash = formatRoute("race", [], { o: "sgd,adam", f: "sin(3*x) + x & 1", hide: "" });
  assert.equal(hash, "#/race?o=sgd,adam&f=sin(3*x)%20%2B%20x%20%26%201");
  assert.deepEqual(parseRoute(hash), { page: "race", rest: [], query: { o: "sgd,adam", f: "sin(3*x) + x & 1" } });
  assert.deepEqual(parseRoute("#/records/a%2Fb?x=1"), { page: "records", rest: ["a/b"], query: { x: "1" } });
  assert.deepEqual(parseRoute(""), { page: "", rest: [], query: {} });
  assert.deepEqual(parseRoute("#/%E0%A4%A"), { page: "%E0%A4%A", rest: [], query: {} });
});

test("the token is taken out of the address, and what follows it stays", () => {
  assert.deepEqual(takeToken("#token=a-B_1"), { token: "a-B_1", hash: "" });
  assert.deepEqual(takeToken("#token=a&/race?s=3"), { token: "a", hash: "#/race?s=3" });
  assert.deepEqual(takeToken("#/race?token=a"), { token: null, hash: "#/race?token=a" });
});

test("numbers are said in few digits and never as a row of zeros", () => {
  assert.deepEqual([0.0123456, 1234, 1e-7, 0, null, Number.NaN, -0.5, 123456.7].map((value) => number(value)), ["0.0123", "1234", "1e-7", "0", "–", "NaN", "−0.500", "1.23e5"]);
  assert.deepEqual([0.1, 0.0316227766, 3e-4, 10].map((value) => rate(value)), ["0.1", "0.0316", "3e-4", "10"]);
  assert.equal(whole(1234567), "1,234,567");
  assert.deepEqual([0.001, 100, 1e-6, 1e12].map(power), ["0.001", "100", "10⁻⁶", "10¹²"]);
  assert.equal(listed(["a", "b", "c"]), "a, b and c");
});

test("a log axis has splits however narrow or wide it is", () => {
  assert.deepEqual(logSplits(0.5, 3), [0.5, 0.6, 0.7, 0.8, 0.9, 1, 2, 3]);
  assert.ok(logSplits(2.9e-24, 9.6).length < 300);
  assert.deepEqual(logLabels([1, 2, 10, 20, 100]), ["1", null, "10", null, "100"]);
  assert.deepEqual(majors([1, 2, 10]), [1, null, 10]);
  assert.deepEqual(niceTicks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
});

test("the keyboard walks through points and lines and passes over empty ones", () => {
  const lengths = [5, 0, 30];
  assert.deepEqual(moved(null, "ArrowLeft", false, lengths), { line: 0, place: 4 });
  assert.deepEqual(moved({ line: 0, place: 4 }, "ArrowDown", false, lengths), { line: 2, place: 4 });
  assert.deepEqual(moved({ line: 2, place: 20 }, "ArrowDown", false, lengths), { line: 0, place: 4 });
  assert.deepEqual(moved({ line: 2, place: 20 }, "ArrowLeft", true, lengths), { line: 2, place: 10 });
  assert.deepEqual(moved({ line: 2, place: 25 }, "ArrowRight", true, lengths), { line: 2, place: 29 });
  assert.deepEqual(moved({ line: 2, place: 25 }, "Home", false, lengths), { line: 2, place: 0 });
  assert.equal(moved({ line: 2, place: 25 }, "Escape", false, lengths), null);
  assert.equal(moved({ line: 2, place: 25 }, "a", false, lengths), undefined);
  assert.equal(moved(null, "ArrowLeft", false, [0]), undefined);
});

test("labels move apart, in their order, inside the bounds", () => {
  assert.deepEqual(apart([10, 11, 50], 15, 0, 100), [10, 25, 50]);
  assert.deepEqual(apart([98, 99], 15, 0, 100), [85, 100]);
});

// One pixel a column, pixels downwards: y of 0 lies at 100.
const pixels = (columns: number, low: number, high: number) => ({
  toX: (x: number) => ((x - low) * columns) / (high - low),
  fromX: (pixel: number) => low + (pixel * (high - low)) / columns,
  toY: (y: number) => 100 - 10 * y,
});

test("a spike of one step reaches its full height in its column, at any width and any zoom", () => {
  for (const width of [1, 3, 50, 700])
    for (const at of [1, 499, 500, 998]) {
      const xs = Array.from({ length: 1000 }, (_, step) => step);
      const values = xs.map((step) => (step === at ? 9 : 1));
      for (const [from, to] of [[0, 999], [Math.max(0, at - 100), Math.min(999, at + 100)]] as const) {
        const found = columned(xs, values, from, to, pixels(width, from, to));
        const column = found.at.indexOf(Math.round(pixels(width, from, to).toX(at)));
        assert.equal(found.top[column], 10, `${at} at ${width}`);
        assert.equal(found.top.filter((top) => top === 10).length, 1);
      }
    }
});

test("columns hold all that a line does and no more", () => {
  const xs = Array.from({ length: 5000 }, (_, step) => step);
  const values = xs.map((step) => Math.sin(step * 12.9898));
  const { at, top, bottom } = columned(xs, values, 0, 4999, pixels(100, 0, 4999));
  assert.deepEqual(at, Array.from({ length: 101 }, (_, column) => column));
  assert.equal(Math.min(...top), 90);
  assert.equal(Math.max(...bottom), 110);
});

test("neighbouring columns meet halfway, and stay apart where there is no number", () => {
  assert.deepEqual(columned([0, 1, 2], [0, 4, 4], 0, 2, pixels(2, 0, 2)), { at: [0, 1, 2], top: [80, 60, 60], bottom: [100, 80, 60], isApart: [false, false, false] });
  assert.deepEqual(columned([0, 1, 2], [0, null, 4], 0, 2, pixels(1, 0, 2)), { at: [0, 1], top: [100, 60], bottom: [100, 60], isApart: [false, true] });
  assert.deepEqual(columned([0, 1, 2], [0, undefined, 4], 0, 2, pixels(2, 0, 2)).isApart, [false, false]);
});
