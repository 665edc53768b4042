import { number, power } from "./format.ts";

const isPower = (value: number) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9;

/** One to nine times every power of ten from `low` to `high`; uPlot's own splits never end below 1e-22. */
export function logSplits(low: number, high: number): number[] {
  const found: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (let digit = 1; digit < 10; digit++) {
      const value = Number(`${digit}e${power}`);
      if (value >= low && value <= high) found.push(value);
    }
  return found;
}

/** The splits that carry a grid line: powers of ten where there are two or more, else all; of very many powers only some. */
export function majors(splits: readonly number[]): (number | null)[] {
  const powers = splits.filter(isPower).length;
  const every = Math.ceil(powers / 16);
  return powers < 2 ? [...splits] : splits.map((value) => (isPower(value) && Math.round(Math.log10(value)) % every === 0 ? value : null));
}

/** Labels of a log axis: powers of ten alone where there are two or more of them, else every split that fits. */
export function logLabels(splits: readonly number[], room = 12): (string | null)[] {
  const powers = splits.filter(isPower);
  if (powers.length < 2) {
    const every = Math.ceil(splits.length / room);
    return splits.map((value, place) => (isPower(value) || place % every === 0 ? number(value, 2) : null));
  }
  const every = Math.ceil(powers.length / room);
  return splits.map((value) => (isPower(value) && Math.round(Math.log10(value)) % every === 0 ? power(value) : null));
}

/** Round numbers between `low` and `high`, at most `most` of them. */
export function niceTicks(low: number, high: number, most = 6): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / most;
  const base = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * base).find((size) => size >= rough) ?? rough;
  const found: number[] = [];
  for (let turn = Math.ceil(low / step - 1e-9); turn * step <= high + 1e-9 * step; turn++) found.push(Number((turn * step).toPrecision(12)));
  return found;
}
